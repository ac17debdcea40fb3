package app

import (
	"context"
	"errors"
	"time"

	"port-agent/agent/port"
)

// credentialsInterval is how often it is looked whether Port takes the
// credentials. The token is cached, so that a look costs a call only where
// there is no good one.
const credentialsInterval = time.Minute

// watchCredentials looks until ctx ends whether Port takes the credentials.
// Where it never did, no restart of anything else will help: the agent is
// stopped with the reason. Where it no longer does, the agent goes on, not
// ready: runs keep until there are reports that Port accepts.
//
// That Port does not answer says nothing about the credentials.
func (a *App) watchCredentials(ctx context.Context, stop context.CancelCauseFunc) {
	tick := time.NewTicker(credentialsInterval)
	defer tick.Stop()
	for ever := false; ; {
		_, err := a.port.Token(ctx)
		refused := errors.Is(err, port.ErrCredentials)
		switch {
		case ctx.Err() != nil:
			return
		case refused && !ever:
			stop(err)
			return
		case refused && !a.refused.Load():
			a.log.Error().Err(err).Msg("credentials refused by port")
		case err == nil && a.refused.Load():
			a.log.Info().Msg("credentials accepted by port again")
		}
		ever = ever || err == nil
		if err == nil || refused {
			a.refused.Store(refused)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// credentialsRefused reports whether Port no longer takes the credentials: as
// the last look found, or the last call for a token since.
func (a *App) credentialsRefused() bool { return a.refused.Load() || a.port.State().Refused }
