# Everything here is a shorthand: the commands need Go alone and can be typed by hand.
include .ci/versions

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
FUZZTIME ?= 60s

.DEFAULT_GOAL := help
.PHONY: help build test race lint vuln cover bench microbench fuzz faults kafka chart sandbox ci clean

help: ## show the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  %-10s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

build: ## a static binary in bin/, stamped with the version
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o bin/port-agent ./cmd/port-agent

test: ## all tests
	go test ./...

race: ## all tests under the race detector
	go test -race ./...

lint: ## gofmt, vet, staticcheck
	gofmt -d .
	go vet ./...
	go run $(STATICCHECK) ./...

vuln: ## known vulnerabilities in what the code calls
	go run $(GOVULNCHECK) ./...

cover: ## coverage by function, in cover.out
	go test -coverpkg=./... -coverprofile=cover.out ./...
	go tool cover -func=cover.out

bench: ## the agent against a bare loop at the same work: a table of ratios, and bench.json
	go run ./cmd/bench

microbench: ## the benchmarks of the packages, with allocations
	go test -run '^$$' -bench . -benchmem ./...

fuzz: ## each fuzz target for FUZZTIME (60s)
	.ci/fuzz $(FUZZTIME)

faults: ## kill, stop and starve the agent under load; one line of figures per fault
	.ci/faults

kafka: ## the tests that can use a real Kafka, against one from Maven Central
	bash .ci/run kafka

chart: ## lint and render the Helm chart
	bash .ci/run helm chart

sandbox: ## Port on a laptop: Kafka, Port's API, backends and the agent in one process
	go run ./cmd/sandbox

ci: ## what a submission has to pass, a real Kafka included
	bash .ci/run

clean: ## remove what the targets above leave
	rm -rf bin dist cover.out bench.json
