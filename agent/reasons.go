package agent

import (
	"context"
	"errors"

	"port-agent/invoker"
	"port-agent/invoker/wire"
	"port-agent/transform"
)

// Reasons of invocations_total, a closed set.
const (
	reasonOK          = "ok"
	reasonNoRule      = "no_rule"
	reasonMapping     = "mapping"
	reasonStatus4xx   = "status_4xx"
	reasonStatus5xx   = "status_5xx"
	reasonStatusOther = "status_other"
	reasonConnect     = "not_connected"
	reasonLost        = "connection_lost"
	reasonTimeout     = "timeout"
	reasonRefused     = "refused"
	reasonInterrupted = "interrupted"
)

var reasons = []string{reasonNoRule, reasonMapping, reasonStatus4xx, reasonStatus5xx, reasonStatusOther,
	reasonConnect, reasonLost, reasonTimeout, reasonRefused, reasonInterrupted}

// reasonOf puts an outcome in one of the reasons.
func reasonOf(out outcome) string {
	var status *invoker.StatusError
	var transport *wire.Error
	switch err := out.err; {
	case err == nil:
		return reasonOK
	case errors.Is(err, transform.ErrNoRule):
		return reasonNoRule
	case errors.As(err, &status):
		switch status.StatusCode / 100 {
		case 4:
			return reasonStatus4xx
		case 5:
			return reasonStatus5xx
		}
		return reasonStatusOther
	case errors.As(err, &transport):
		switch {
		case transport.Final:
			return reasonRefused
		case errors.Is(err, context.DeadlineExceeded):
			return reasonTimeout
		case transport.Sent:
			return reasonLost
		}
		return reasonConnect
	case errors.Is(err, errInterrupted):
		return reasonInterrupted
	}
	return reasonMapping
}
