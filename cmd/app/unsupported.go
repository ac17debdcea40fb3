package app

import (
	"maps"
	"os"
	"slices"
)

// unsupported are settings of older Python agents and their public forks that have
// no effect here, and what to do instead.
var unsupported = map[string]string{
	// A fork takes only the runs whose input names one of these environments.
	"AGENT_ENVIRONMENTS": "this agent takes the events of all environments: let each rule's enabled ask for the environment",

	"KAFKA_CONSUMER_BROKERS":  "brokers come from Port; KAFKA_CONSUMER_BOOTSTRAP_SERVERS with USING_LOCAL_PORT_INSTANCE=true names others",
	"KAFKA_CONSUMER_USERNAME": "user name and password come from Port",
	"KAFKA_CONSUMER_PASSWORD": "user name and password come from Port",
	"KAFKA_SECURITY_ENABLED":  "KAFKA_CONSUMER_SECURITY_PROTOCOL and KAFKA_CONSUMER_AUTHENTICATION_MECHANISM say so",
	"PORT_API_URL":            "PORT_API_BASE_URL, without /v1",
	"PORT_BASE_URL":           "PORT_API_BASE_URL",

	"WEBHOOK_ASYNC_INVOKER_TIMEOUT":   "WEBHOOK_INVOKER_TIMEOUT, or a rule's timeout",
	"WEBHOOK_SYNC_INVOKER_TIMEOUT":    "WEBHOOK_INVOKER_TIMEOUT, or a rule's timeout",
	"GITLAB_PIPELINE_INVOKER_TIMEOUT": "WEBHOOK_INVOKER_TIMEOUT, or a rule's timeout",
}

// nameUnsupported logs a warning for each of these settings that is set.
func (a *App) nameUnsupported() {
	for _, name := range slices.Sorted(maps.Keys(unsupported)) {
		if os.Getenv(name) != "" {
			a.log.Warn().Str("setting", name).Str("instead", unsupported[name]).Msg("setting not supported")
		}
	}
}
