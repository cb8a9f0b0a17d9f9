# lhbackupd in a container: no root, a read-only root file system, one writable volume.
#
#   docker run --read-only --cap-drop ALL --security-opt no-new-privileges --stop-timeout 330 \
#     -v lhbackupd:/var/lib/lhbackupd -v ./config.toml:/etc/lhbackupd/config.toml:ro -p 127.0.0.1:9595:9595 lhbackupd
#
# The stop time-out is longer than Longhorn takes to detach: at stop every volume is given back.

FROM python:3.13-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src
RUN python -m pip install "build>=1.2"
COPY pyproject.toml README.md LICENSE ./
COPY lhbackupd ./lhbackupd
RUN python -m build --wheel --outdir /dist
# the same path as in the next stage, since scripts name their interpreter; compiled here, as nothing can be written there
RUN python -m venv --without-pip /opt/lhbackupd \
 && python -m pip --python /opt/lhbackupd/bin/python install --compile "$(echo /dist/*.whl)[notify]"

FROM python:3.13-slim
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="lhbackupd" \
      org.opencontainers.image.description="Scheduled backups of Longhorn volumes, detached ones included" \
      org.opencontainers.image.source="https://github.com/lhbackupd/lhbackupd" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}"

COPY --from=build /opt/lhbackupd /opt/lhbackupd
# owned by the number below, so that a new volume is too
RUN install -d -o 10001 -g 10001 -m 0700 /var/lib/lhbackupd

# The page only reads. Loopback would be the container's own, so it listens on all addresses of the container; who
# reaches these is a matter of what is published. The control socket is in the one directory that can be written.
ENV PATH=/opt/lhbackupd/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    LHBACKUPD_HTTP__LISTEN=0.0.0.0:9595 \
    LHBACKUPD_CONTROL__SOCKET=/var/lib/lhbackupd/control.sock

# a number, because Kubernetes cannot tell of a name whether it is root (runAsNonRoot)
USER 10001:10001
WORKDIR /var/lib/lhbackupd
VOLUME ["/var/lib/lhbackupd"]
EXPOSE 9595

# alive is not ready: Longhorn being away is no reason to restart. http.client, because it minds no proxy variables
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
  CMD ["python", "-c", "import http.client, os, sys; port = os.environ['LHBACKUPD_HTTP__LISTEN'].rpartition(':')[2]; port == 'off' and sys.exit(0); page = http.client.HTTPConnection('127.0.0.1', int(port), timeout=4); page.request('GET', '/livez'); sys.exit(page.getresponse().status != 200)"]

ENTRYPOINT ["lhbackupd"]
CMD ["run"]
