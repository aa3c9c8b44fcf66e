/**
 * The image service (registry client, store, unpacking, root filesystems) and the types that cross
 * from it to a stage1.
 *
 * <pre>
 *   ImageService.pull → RunningPull (shared by callers) → ImagePull
 *       RegistryClient → RemoteRepository → RegistryTransport      manifest, configuration
 *       LayerFetch: BlobStream → Compression → TarReader → LayerUnpacker    each layer
 *       LayerStore, ImageRecords, RootReferences                   what is on disk
 *   RootFilesystems.mount → overlayfs
 * </pre>
 *
 * <p>All public classes are safe from any thread. Calls block; they are meant for virtual threads,
 * and an interrupt ends them.
 */
@NullMarked
package io.stagelet.stage0;

import org.jspecify.annotations.NullMarked;
