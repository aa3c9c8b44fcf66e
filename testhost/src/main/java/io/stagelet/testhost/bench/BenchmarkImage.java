package io.stagelet.testhost.bench;

import com.github.luben.zstd.ZstdOutputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Random;
import java.util.zip.GZIPOutputStream;

/**
 * An image of so many layers of so many bytes, packed with gzip or zstd; its files are as
 * compressible as programs are. Pushed to the machine's registry.
 */
final class BenchmarkImage {
  private static final int FILE = 1 << 20;
  private static final int TAR_BLOCK = 512;
  private static final Path PROGRAM = Path.of("/usr/bin/busybox");

  private final String registry;
  private final String repository;
  private final boolean zstd;
  private boolean startable;
  private final HttpClient client = HttpClient.newHttpClient();

  BenchmarkImage(String registry, String repository, boolean zstd) {
    this.zstd = zstd;
    this.registry = registry;
    this.repository = repository;
  }

  /** Has a program that sleeps, in its first layer. */
  BenchmarkImage startable() {
    startable = true;
    return this;
  }

  /** Makes and pushes it; answers its name. */
  String push(int layers, long packedBytesOfEach) throws IOException, InterruptedException {
    List<String> descriptors = new ArrayList<>();
    List<String> diffIds = new ArrayList<>();
    for (int layer = 0; layer < layers; layer++) {
      Path file = Files.createTempFile("layer", ".tar.gz");
      try {
        diffIds.add('"' + pack(file, layer, packedBytesOfEach) + '"');
        String digest = digest(file);
        upload(digest, HttpRequest.BodyPublishers.ofFile(file));
        descriptors.add(
            descriptor(
                "application/vnd.oci.image.layer.v1.tar+" + (zstd ? "zstd" : "gzip"),
                digest,
                Files.size(file)));
      } finally {
        Files.delete(file);
      }
    }
    byte[] config =
        "{\"os\":\"linux\",\"architecture\":\"amd64\",\"config\":{\"Cmd\":[\"/busybox\",\"sleep\",\"3600\"]},\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[%s]}}"
            .formatted(String.join(",", diffIds))
            .getBytes(StandardCharsets.UTF_8);
    String configDigest = "sha256:" + HexFormat.of().formatHex(sha256().digest(config));
    upload(configDigest, HttpRequest.BodyPublishers.ofByteArray(config));
    String manifest =
        "{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"config\":%s,\"layers\":[%s]}"
            .formatted(
                descriptor("application/vnd.oci.image.config.v1+json", configDigest, config.length),
                String.join(",", descriptors));
    send(
        HttpRequest.newBuilder(uri("manifests/1"))
            .header("content-type", "application/vnd.oci.image.manifest.v1+json")
            .PUT(HttpRequest.BodyPublishers.ofString(manifest))
            .build());
    return registry + "/" + repository + ":1";
  }

  private static String descriptor(String type, String digest, long size) {
    return "{\"mediaType\":\"%s\",\"digest\":\"%s\",\"size\":%d}".formatted(type, digest, size);
  }

  private static String digest(Path file) throws IOException {
    MessageDigest hash = sha256();
    try (var input = Files.newInputStream(file)) {
      byte[] buffer = new byte[FILE];
      for (int count = input.read(buffer); count >= 0; count = input.read(buffer)) {
        hash.update(buffer, 0, count);
      }
    }
    return "sha256:" + HexFormat.of().formatHex(hash.digest());
  }

  private void upload(String digest, HttpRequest.BodyPublisher content)
      throws IOException, InterruptedException {
    HttpResponse<String> begun =
        send(
            HttpRequest.newBuilder(uri("blobs/uploads/"))
                .POST(HttpRequest.BodyPublishers.noBody())
                .build());
    URI place = uri("").resolve(begun.headers().firstValue("location").orElseThrow());
    HttpResponse<String> _ =
        send(
            HttpRequest.newBuilder(
                    URI.create(place + (place.getQuery() == null ? "?" : "&") + "digest=" + digest))
                .header("content-type", "application/octet-stream")
                .PUT(content)
                .build());
  }

  private URI uri(String what) {
    return URI.create("http://%s/v2/%s/%s".formatted(registry, repository, what));
  }

  private HttpResponse<String> send(HttpRequest request) throws IOException, InterruptedException {
    HttpResponse<String> response = client.send(request, HttpResponse.BodyHandlers.ofString());
    if (response.statusCode() >= 300) {
      throw new IOException(
          "%s: HTTP %d: %s".formatted(request.uri(), response.statusCode(), response.body()));
    }
    return response;
  }

  /** Writes a layer of about so many packed bytes; answers the digest of its archive. */
  private String pack(Path file, int layer, long packedBytes) throws IOException {
    MessageDigest hash = sha256();
    Random random = new Random(layer + 1);
    try (OutputStream stored = Files.newOutputStream(file);
        OutputStream packed =
            zstd ? new ZstdOutputStream(stored) : new GZIPOutputStream(stored, 1 << 16)) {
      if (startable && layer == 0) {
        add("busybox", Files.readAllBytes(PROGRAM), hash, packed);
      }
      for (int number = 0; Files.size(file) < packedBytes; number++) {
        int size = (int) Math.min(FILE, Math.max(TAR_BLOCK, packedBytes * 2));
        add("layer%d/file%d".formatted(layer, number), content(random, size), hash, packed);
        packed.flush();
      }
      byte[] end = new byte[2 * TAR_BLOCK];
      hash.update(end);
      packed.write(end);
    }
    return "sha256:" + HexFormat.of().formatHex(hash.digest());
  }

  private static void add(String name, byte[] content, MessageDigest hash, OutputStream packed)
      throws IOException {
    byte[] padding = new byte[(TAR_BLOCK - content.length % TAR_BLOCK) % TAR_BLOCK];
    for (byte[] part : List.of(header(name, content.length), content, padding)) {
      hash.update(part);
      packed.write(part);
    }
  }

  /** A third noise, two thirds words: gzip makes less than half of it. */
  private static byte[] content(Random random, int size) {
    ByteArrayOutputStream content = new ByteArrayOutputStream(size + 64);
    byte[] noise = new byte[16];
    while (content.size() < size) {
      random.nextBytes(noise);
      content.writeBytes(noise);
      content.writeBytes(
          "symbol_%03d.constructor(value)\n"
              .formatted(random.nextInt(500))
              .getBytes(StandardCharsets.UTF_8));
    }
    return java.util.Arrays.copyOf(content.toByteArray(), size);
  }

  private static byte[] header(String name, int size) {
    byte[] header = new byte[TAR_BLOCK];
    put(header, 0, name);
    put(header, 100, "0000755");
    put(header, 108, "0000000");
    put(header, 116, "0000000");
    put(header, 124, "%011o".formatted(size));
    put(header, 136, "14000000000");
    header[156] = '0';
    put(header, 257, "ustar\00000");
    put(header, 148, "        ");
    int sum = 0;
    for (byte each : header) {
      sum += each & 0xff;
    }
    put(header, 148, "%06o\0 ".formatted(sum));
    return header;
  }

  private static void put(byte[] header, int at, String text) {
    byte[] bytes = text.getBytes(StandardCharsets.US_ASCII);
    System.arraycopy(bytes, 0, header, at, bytes.length);
  }

  private static MessageDigest sha256() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException missing) {
      throw new UncheckedIOException(new IOException("this Java has no SHA-256", missing));
    }
  }
}
