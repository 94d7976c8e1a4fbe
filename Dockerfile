# syntax=docker/dockerfile:1

# Two stages: dependencies compile in a layer of their own, which changes only with Cargo.lock.
# Both stages stand on the same Debian, so that the C library is the same. The image is the toolchain.
FROM rust:1.95-slim-trixie AS builder
RUN apt-get update \
    && apt-get install -y --no-install-recommends build-essential \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /build
ENV CARGO_INCREMENTAL=0 CARGO_TERM_COLOR=never
COPY Cargo.toml Cargo.lock ./
RUN mkdir src \
    && echo 'fn main() {}' > src/main.rs \
    && touch src/lib.rs \
    && cargo build --release --locked \
    && rm -r src target/release/.fingerprint/rungwise-*
COPY . .
# The stand-in above is newer than the checked-out files: without a new date cargo would keep it.
RUN touch src/main.rs src/lib.rs \
    && cargo build --release --locked \
    && strip target/release/rungwise

FROM debian:trixie-slim
# ca-certificates: TLS to Meta. tzdata: days are the ad account's days, so its time zone must be known.
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates tzdata \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --system --gid 10001 rungwise \
    && useradd --system --uid 10001 --gid 10001 --no-create-home --shell /usr/sbin/nologin rungwise \
    && install -d -o 10001 -g 10001 -m 0700 /var/lib/rungwise
COPY --from=builder /build/target/release/rungwise /usr/local/bin/rungwise
USER 10001
WORKDIR /var/lib/rungwise
VOLUME /var/lib/rungwise
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=1m --timeout=10s --start-period=1m \
    CMD ["rungwise", "health", "--dir", "/var/lib/rungwise"]
ENTRYPOINT ["rungwise"]
CMD ["run", "--dir", "/var/lib/rungwise"]
