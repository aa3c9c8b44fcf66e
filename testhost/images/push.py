#!/usr/bin/env python3
"""Makes the images that the conformance suite asks for, and pushes them to a registry.

usage: push.py REGISTRY [ROOT [REPOSITORY…]]

REGISTRY    host:port of a registry that speaks plain http, such as 127.0.0.1:5000
ROOT        a Debian root file system with busybox-static and nginx-light in it (default: /, as in a test machine)
REPOSITORY  only these, such as pause (default: all)

Nothing is downloaded: every image holds programs of Debian's, or a few lines of C compiled here (gcc, static libc).
Names and tags are those that critest wants when it is called with --registry-prefix REGISTRY.
"""
import gzip
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import urllib.error
import urllib.request

# sleeps, and reaps what is left to it: shared process namespaces make it PID 1
PAUSE = r"""
#include <signal.h>
#include <unistd.h>
#include <sys/wait.h>
static void leave(int signal) { (void) signal; _exit(0); }
static void reap(int signal) { (void) signal; while (waitpid(-1, 0, WNOHANG) > 0); }
int main(void) {
    signal(SIGINT, leave);
    signal(SIGTERM, leave);
    signal(SIGCHLD, reap);
    for (;;) pause();
}
"""
# is set-uid root in its image: tells whether no_new_privs held
EUID = r"""
#include <stdio.h>
#include <unistd.h>
int main(void) { printf("Effective uid: %d\n", (int) geteuid()); return 0; }
"""
BUSYBOX_DIRS = ["bin", "dev", "etc", "home", "proc", "root", "sys", "tmp", "usr/bin", "usr/sbin", "var/log", "var/run"]


class Layer:
    """A layer being written. The same content gives the same bytes, and so the same digest."""

    def __init__(self):
        self.buf = io.BytesIO()
        self.tar = tarfile.open(fileobj=self.buf, mode="w", format=tarfile.PAX_FORMAT)
        self.names = set()  # each path once: some runtimes refuse a layer that has one twice

    def add(self, name, data=b"", mode=0o644, kind=tarfile.REGTYPE, link="", uid=0, gid=0):
        if name.rstrip("/") in self.names:
            return
        self.names.add(name.rstrip("/"))
        info = tarfile.TarInfo(name)
        info.type, info.mode, info.linkname, info.uid, info.gid = kind, mode, link, uid, gid
        info.size = len(data) if kind == tarfile.REGTYPE else 0
        self.tar.addfile(info, io.BytesIO(data) if kind == tarfile.REGTYPE else None)

    def dir(self, name, mode=0o755, uid=0, gid=0):
        self.add(name + "/", mode=mode, kind=tarfile.DIRTYPE, uid=uid, gid=gid)

    def link(self, name, to):
        self.add(name, kind=tarfile.SYMTYPE, link=to, mode=0o777)

    def tree(self, root, path):
        """A file of the root with its mode, and what it points to when it is a link."""
        full = os.path.join(root, path)
        if os.path.islink(full):
            target = os.readlink(full)
            self.link(path, target)
            nxt = target.lstrip("/") if target.startswith("/") else os.path.normpath(os.path.join(os.path.dirname(path), target))
            if os.path.lexists(os.path.join(root, nxt)):
                self.tree(root, nxt)
        else:
            with open(full, "rb") as f:
                self.add(path, f.read(), os.stat(full).st_mode & 0o7777)

    def done(self):
        self.tar.close()
        return self.buf.getvalue()


def compile_static(source):
    with tempfile.TemporaryDirectory() as d:
        with open(d + "/p.c", "w") as f:
            f.write(source)
        subprocess.run(["gcc", "-Os", "-static", "-s", "-o", d + "/p", d + "/p.c"], check=True)
        with open(d + "/p", "rb") as f:
            return f.read()


def busybox_layer(rootfs, marker=None, users=()):
    layer = Layer()
    for d in BUSYBOX_DIRS:
        layer.dir(d, 0o1777 if d == "tmp" else 0o755)
    with open(os.path.join(rootfs, "usr/bin/busybox"), "rb") as f:
        layer.add("bin/busybox", f.read(), 0o755)
    applets = subprocess.run(["chroot", rootfs, "/usr/bin/busybox", "--list"], check=True, capture_output=True, text=True).stdout.split()
    for a in applets:
        if a != "busybox":  # hard links and no symlinks: a test hides one of them and needs the others
            layer.add("bin/" + a, kind=tarfile.LNKTYPE, link="bin/busybox", mode=0o755)
    # two applets that Debian's busybox lacks, and whose output the suite reads
    layer.add("bin/pgrep", b"#!/bin/sh\nexec pidof \"$@\"\n", 0o755)
    layer.add("bin/ipcs", b"#!/bin/sh\nexec cat /proc/sysvipc/shm\n", 0o755)
    passwd = "root:x:0:0:root:/root:/bin/sh\nwww-data:x:33:33:www-data:/var/www:/bin/false\nnobody:x:65534:65534:nobody:/:/bin/false\n"
    group = "root:x:0:\nwww-data:x:33:\nnobody:x:65534:\n"
    for p, g in users:
        passwd += p
        group += g
    layer.add("etc/passwd", passwd.encode())
    layer.add("etc/group", group.encode())
    if marker:
        layer.add(marker, b"")
    return layer.done()


def dynamic_layer(rootfs, programs, extra_dirs, files, links):
    """Programs with all the libraries they load."""
    layer = Layer()
    seen = set()
    for d in ["usr/lib", "usr/lib64", "usr/lib/x86_64-linux-gnu"] + list(extra_dirs):
        layer.dir(d, 0o755)
    layer.link("lib", "usr/lib")
    layer.link("lib64", "usr/lib64")
    libs = set()
    for p in programs:
        out = subprocess.run(["chroot", rootfs, "ldd", "/" + p], capture_output=True, text=True).stdout
        for word in out.split():
            if word.startswith("/"):
                libs.add(os.path.relpath(os.path.realpath(os.path.join(rootfs, word.lstrip("/"))), os.path.realpath(rootfs)))
                libs.add("usr/" + word.lstrip("/") if word.startswith("/lib") else word.lstrip("/"))
    for path in list(programs) + sorted(libs):
        if path not in seen and os.path.lexists(os.path.join(rootfs, path)):
            seen.add(path)
            layer.tree(rootfs, path)
    for name, data in files.items():
        layer.add(name, data.encode())
    for name, to in links.items():
        layer.link(name, to)
    return layer.done()


class Registry:
    def __init__(self, host, only):
        self.base = "http://" + host + "/v2/"
        self.only = only

    def call(self, method, url, data=None, headers=None):
        req = urllib.request.Request(url, data=data, method=method, headers=headers or {})
        return urllib.request.urlopen(req, timeout=60)

    def blob(self, repo, data):
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        try:
            self.call("HEAD", self.base + repo + "/blobs/" + digest)
            return digest
        except urllib.error.HTTPError:
            pass
        at = self.call("POST", self.base + repo + "/blobs/uploads/").headers["Location"]
        at += ("&" if "?" in at else "?") + "digest=" + digest
        self.call("PUT", at, data, {"Content-Type": "application/octet-stream"})
        return digest

    def image(self, repo, tags, layers, config):
        if self.only and repo not in self.only:
            return
        blobs = []
        for raw in layers:
            packed = gzip.compress(raw, 6, mtime=0)
            blobs.append((self.blob(repo, packed), len(packed), "sha256:" + hashlib.sha256(raw).hexdigest()))
        cfg = json.dumps({"architecture": "amd64", "os": "linux", "config": config,
                          "rootfs": {"type": "layers", "diff_ids": [b[2] for b in blobs]},
                          "history": [{"created_by": "push.py"} for _ in blobs]}).encode()
        manifest = json.dumps({
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": self.blob(repo, cfg), "size": len(cfg)},
            "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": d, "size": s} for d, s, _ in blobs]}).encode()
        for tag in tags:
            self.call("PUT", self.base + repo + "/manifests/" + tag, manifest, {"Content-Type": "application/vnd.oci.image.manifest.v1+json"})
        print(repo, ",".join(tags), "sha256:" + hashlib.sha256(manifest).hexdigest())


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    host, rootfs = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "/"
    reg = Registry(host, sys.argv[3:])
    env = {"Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]}
    shell = {**env, "Cmd": ["sh"]}
    bb = busybox_layer(rootfs)
    reg.image("e2e-test-images/busybox", ["1.29-2", "1.29-4", "latest"], [bb], shell)

    pause = Layer()
    pause.add("pause", compile_static(PAUSE), 0o755)
    raw = pause.done()
    for tag in ("3.9", "3.10", "3.10.1"):  # each an image of its own: removing one must leave the others
        reg.image("pause", [tag], [raw], {**env, "Entrypoint": ["/pause"], "User": "65535:65535", "Labels": {"version": tag}})

    nnp = Layer()
    nnp.add("nnp", compile_static(EUID), 0o4755)
    reg.image("e2e-test-images/nonewprivs", ["1.3"], [nnp.done()], {**env, "Entrypoint": ["/nnp"]})

    def nginx_files(port):
        return {
            "etc/nginx/nginx.conf":
                "user www-data;\nworker_processes 1;\npid /var/run/nginx.pid;\nerror_log /var/log/nginx/error.log notice;\n"
                "events { worker_connections 64; }\nhttp {\n  access_log /var/log/nginx/access.log;\n"
                "  server { listen %d; root /usr/share/nginx/html; index index.html; }\n}\n" % port,
            "usr/share/nginx/html/index.html": "<html><head><title>Welcome to nginx!</title></head><body>nginx</body></html>\n"}
    stdio = {"var/log/nginx/access.log": "/dev/stdout", "var/log/nginx/error.log": "/dev/stderr"}
    dirs = ["etc/nginx", "usr/share/nginx/html", "var/log/nginx", "var/lib/nginx", "var/lib/nginx/body"]
    run = {**env, "Cmd": ["nginx", "-g", "daemon off;"], "StopSignal": "SIGQUIT", "ExposedPorts": {"80/tcp": {}}}
    reg.image("e2e-test-images/nginx", ["1.14-2", "1.15-4"], [bb, dynamic_layer(rootfs, ["usr/sbin/nginx"], dirs, nginx_files(80), stdio)], run)
    for name in ("hostnet-nginx", "hostnet-nginx-amd64"):
        reg.image("k8s-staging-cri-tools/" + name, ["latest"], [bb, dynamic_layer(rootfs, ["usr/sbin/nginx"], dirs, nginx_files(12003), stdio)], run)

    reg.image("e2e-test-images/httpd", ["2.4.39-4"], [bb, dynamic_layer(rootfs, ["usr/sbin/nginx"], dirs, nginx_files(80), stdio)],
              {**run, "Cmd": ["sh", "-c", "echo httpd; exec nginx -g 'daemon off;'"]})

    staging = "k8s-staging-cri-tools/"
    for n in ("test-image-1", "test-image-2", "test-image-3", "test-image-latest", "test-image-digest"):
        reg.image(staging + n, ["latest"], [busybox_layer(rootfs, n)], shell)
    reg.image(staging + "test-image-tags", ["1", "2", "3"], [busybox_layer(rootfs, "same-image")], shell)
    for tag in ("test", "all"):
        reg.image(staging + "test-image-tag", [tag], [busybox_layer(rootfs, tag)], shell)
    for n, user in (("uid", "1002"), ("username", "www-data"), ("uid-group", "1003:1004"), ("username-group", "www-data:1004")):
        reg.image(staging + "test-image-user-" + n, ["latest"], [bb], {**shell, "User": user})
    groups = [("default-user:x:1000:1000::/home/default-user:/bin/sh\n", "default-user:x:1000:\ngroup-defined-in-image:x:50000:default-user\n")]
    reg.image(staging + "test-image-predefined-group", ["latest"], [busybox_layer(rootfs, None, groups)], {**shell, "User": "1000"})


if __name__ == "__main__":
    main()
