# Builds the proxy and puts it alone into a small image.
#
# The root file system may be read-only: everything that is written goes to /var/lib/signer-proxy.
# No toolchain file is copied, so that the compiler of this image is used as it is.

FROM rust:1.95.0-bookworm AS builder
WORKDIR /build
COPY Cargo.toml Cargo.lock ./
COPY benches benches
COPY src src
RUN cargo build --locked --release --bin signer-proxy

FROM debian:bookworm-slim
# A fixed number, because orchestrators and volumes know numbers only. The directory is made here, so
# that a fresh volume takes over its owner.
RUN install --directory --owner=10001 --group=10001 --mode=0700 /var/lib/signer-proxy
COPY --from=builder /build/target/release/signer-proxy /usr/local/bin/signer-proxy
COPY config/container.toml /etc/signer-proxy/config.toml
USER 10001:10001
VOLUME /var/lib/signer-proxy
# The baker's port and the admin port.
EXPOSE 6733 9632
# Ready means: the ports are bound and the store can commit. It is no matter of the signers.
HEALTHCHECK --interval=10s --timeout=5s --start-period=5s --retries=3 \
    CMD ["/usr/local/bin/signer-proxy", "status", "--config", "/etc/signer-proxy/config.toml", "--ready"]
ENTRYPOINT ["/usr/local/bin/signer-proxy"]
CMD ["run", "--config", "/etc/signer-proxy/config.toml"]
