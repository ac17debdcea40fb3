# syntax=docker/dockerfile:1

# The build runs on the machine's own platform and compiles for the target's: nothing is emulated.
FROM --platform=$BUILDPLATFORM golang:1.26-alpine AS build
WORKDIR /src
ENV CGO_ENABLED=0 GOTOOLCHAIN=local

COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download

COPY . .
ARG TARGETOS
ARG TARGETARCH
ARG VERSION=dev
RUN --mount=type=cache,target=/go/pkg/mod \
    --mount=type=cache,target=/root/.cache/go-build \
    GOOS=$TARGETOS GOARCH=$TARGETARCH \
    go build -trimpath -ldflags "-s -w -X main.version=$VERSION" -o /out/port-agent ./cmd/port-agent

# No shell, no package manager: certificate authorities, time zones and a user that is not root.
FROM gcr.io/distroless/static-debian13:nonroot
ARG VERSION=dev
LABEL org.opencontainers.image.title="port-agent" \
      org.opencontainers.image.description="Runs Port's self-service actions and automations inside a private cluster." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION"

COPY LICENSE /licenses/LICENSE
COPY --from=build /out/port-agent /usr/local/bin/port-agent

# The mapping is read from here: invocations.json or control_the_payload_config.json.
WORKDIR /app
USER 65532:65532
EXPOSE 8080
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/port-agent"]
