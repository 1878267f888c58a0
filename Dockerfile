# lamcat in a small image, built from its source:
#
#   docker build -t lamcat .
#   docker run --rm -v "$PWD:/data" lamcat demo
#   docker run --rm -v "$PWD:/data" lamcat sql -c "SELECT count(*) FROM 'lamcat-demo/catalogue.parquet'"
#
# Files are looked for in /data, the folder of the host that -v names. `--build-arg FEATURES=cuda` adds NVIDIA GPUs, whose driver and
# CUDA runtime compiler then come from the host or from a base image that has them.

FROM rust:1.95-slim-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends g++ make && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY . .
ARG FEATURES=""
RUN cargo build --release --locked --bin lamcat --features "$FEATURES"

FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates && rm -rf /var/lib/apt/lists/*
COPY --from=build /source/target/release/lamcat /usr/local/bin/lamcat
COPY --from=build /source/LICENSE /source/LICENSE-MIT /source/LICENSE-APACHE /usr/share/doc/lamcat/
COPY --from=build /source/sql /usr/share/lamcat/sql
COPY --from=build /source/pipelines /usr/share/lamcat/pipelines
WORKDIR /data
ENTRYPOINT ["lamcat"]
