# One image, several commands: `servicegroup operator`, `agent`, `gateway`, `members`, ...
#
#   docker build -t servicegroup .
#
# Build arguments: BASE_IMAGE (any with Python 3.11 or newer as python3), BUILD_IMAGE (the same with `venv` and
# `ensurepip`, where the base leaves them out, as Debian's python3 does), VERSION and REVISION for the labels; for a
# package index other than PyPI, pip's own PIP_INDEX_URL, or a folder of wheels made beforehand and no index at all:
#
#   pip download --require-hashes --only-binary :all: -r requirements/build.txt -r requirements/operator.txt -d wheels
#   docker build --build-context wheels=wheels --build-arg PIP_NO_INDEX=1 -t servicegroup .
ARG BASE_IMAGE=docker.io/library/python:3.13-slim-trixie
ARG BUILD_IMAGE=${BASE_IMAGE}

# Empty, unless a folder is given in its place.
FROM scratch AS wheels

FROM ${BUILD_IMAGE} AS build
ARG PIP_INDEX_URL
ARG PIP_NO_INDEX
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
# pip stays in a room of its own: nothing of it is copied into the image.
RUN python3 -m venv /build && python3 -m venv --without-pip /opt/servicegroup
WORKDIR /source
COPY requirements/build.txt requirements/operator.txt requirements/
RUN --mount=type=bind,from=wheels,target=/wheels \
    /build/bin/pip install --require-hashes --only-binary :all: --find-links /wheels -r requirements/build.txt && \
    /build/bin/pip --python /opt/servicegroup/bin/python install --no-compile \
      --require-hashes --only-binary :all: --find-links /wheels -r requirements/operator.txt
COPY pyproject.toml README.md LICENSE ./
COPY controller controller
# Compiled here, since the image is read-only where it runs: an operator that compiles the Kubernetes client at its start
# needs 5 s and 100 MB more. That client's other half, which is not for asyncio and is never loaded, stays as it is.
RUN /build/bin/pip wheel --no-deps --no-build-isolation --no-index -w /source/dist . && \
    /build/bin/pip --python /opt/servicegroup/bin/python install --no-compile --no-deps --no-index /source/dist/*.whl && \
    /opt/servicegroup/bin/python -m compileall -q -x 'packages/kubernetes/client/(api|models)/' /opt/servicegroup/lib

FROM ${BASE_IMAGE}
# Where the base brings an installer it is of no use here, and a help to whoever breaks in.
RUN rm -rf /usr/local/bin/pip* /usr/local/lib/python3.*/ensurepip /usr/local/lib/python3.*/site-packages/pip*
COPY --from=build /opt/servicegroup /opt/servicegroup
# A name, since a number that no list of users has makes some libraries fail (kopf asks who it is).
ENV PATH=/opt/servicegroup/bin:$PATH \
    LOGNAME=servicegroup \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="servicegroup" \
      org.opencontainers.image.description="Operator, agent and gateway of compute service groups: which nodes are alive" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# By number, so that `runAsNonRoot` can be checked; nothing is written outside of mounted volumes.
USER 65532:65532
ENTRYPOINT ["servicegroup"]
CMD ["--help"]
