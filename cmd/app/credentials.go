package app

import (
	"context"
	"errors"
	"time"

	"port-agent/agent/port"
)

// credentialsInterval is the time between two checks of the credentials. The token
// is cached: a check makes a call only if there is no valid token.
const credentialsInterval = time.Minute

// watchCredentials checks the credentials until ctx ends. If Port has never accepted
// them, it stops the agent with the reason. If Port no longer accepts them, the agent
// goes on and is not ready: reports wait until Port accepts them.
//
// A call that Port does not answer says nothing about the credentials.
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

// credentialsRefused reports whether Port refused the credentials at the last check
// or at the last call for a token.
func (a *App) credentialsRefused() bool { return a.refused.Load() || a.port.State().Refused }
