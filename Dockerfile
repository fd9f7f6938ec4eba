# rlcredit in a container, made by the same set-up as on a machine:
#
#   docker build -t rlcredit .
#   docker run --rm -it -v rlcredit-runs:/rlcredit/runs rlcredit train recipes/countdown.toml
#
# Runs are kept in the volume; `docker run --rm -v rlcredit-runs:/runs debian:bookworm-slim ls /runs` shows them.

FROM rust:1.95-bookworm AS build
RUN apt-get update && apt-get install --yes --no-install-recommends python3 python3-pip
WORKDIR /rlcredit
# libtorch first: a change of the sources then costs no second download.
COPY scripts/libtorch.py scripts/libtorch.txt scripts/
RUN python3 scripts/libtorch.py
COPY . .
# The history stays outside; `--build-arg RLCREDIT_COMMIT="commit $(git rev-parse --short=12 HEAD)"` says what is built.
ARG RLCREDIT_COMMIT=""
RUN RLCREDIT_COMMIT="$RLCREDIT_COMMIT" scripts/setup

# The headers, the Rust toolchain and the intermediate files stay behind. The paths stay as they
# were, because the binary looks for libtorch where it was built.
FROM debian:bookworm-slim
RUN apt-get update && apt-get install --yes --no-install-recommends libstdc++6 && rm -rf /var/lib/apt/lists/*
WORKDIR /rlcredit
COPY --from=build /rlcredit/.libtorch/torch/lib .libtorch/torch/lib
COPY --from=build /rlcredit/.libtorch/nvidia .libtorch/nvidia
COPY --from=build /rlcredit/target/release/rlcredit /usr/local/bin/rlcredit
COPY LICENSE .
COPY recipes recipes
RUN useradd --create-home rlcredit && install --directory --owner=rlcredit runs
USER rlcredit
ENTRYPOINT ["rlcredit"]
