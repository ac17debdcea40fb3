package kafka

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"github.com/segmentio/kafka-go"

	"port-agent/agent"
	"port-agent/agent/kafka/ledger"
)

const (
	sessionBackoffMin = time.Second
	// sessionBackoffMax is the longest wait before credentials are requested again.
	sessionBackoffMax = 30 * time.Second
	heartbeatDivisor  = 3 // heartbeats in a session timeout
	// rejoinMargin is how much longer than a drain a rebalance waits for a member.
	rejoinMargin  = 15 * time.Second
	leaveTimeout  = 3 * time.Second
	watchInterval = 2 * time.Second
	rejoinDelay   = 500 * time.Millisecond
	leaveRetry    = 200 * time.Millisecond
	leaveRetryMax = time.Second
)

// Source is a member of the consumer group.
type Source struct {
	cfg         Config
	clientID    string // the prefix of the client ids of all its memberships
	tls         *tls.Config
	credentials func(context.Context) (Credentials, error)
	handle      Handler
	metrics     *agent.Metrics
	log         zerolog.Logger

	// For Run.
	memberships int
	met         bool          // it has joined before
	failures    int           // to join, in a row, with the present credentials
	delay       time.Duration // before credentials are requested again

	mu         sync.Mutex // of what State and Ready report
	joined     bool
	err        error    // of the last try to join
	missing    []string // topics that did not exist at the last look
	generation int32
	trackers   map[ledger.Place]*ledger.Tracker
}

// New returns a member of the group that cfg names; cfg must come from ForOrg.
// credentials is called before each connection to the cluster. A nil tlsConfig
// means the system's roots. New makes no calls.
func New(cfg Config, tlsConfig *tls.Config, credentials func(context.Context) (Credentials, error), handle Handler,
	m *agent.Metrics, log zerolog.Logger) *Source {
	cfg.watchInterval = cmp.Or(cfg.watchInterval, watchInterval)
	for _, topic := range cfg.topics() {
		m.PresetTopic(topic)
	}
	id := clientID + "-" + strings.ToLower(rand.Text()[:8])
	return &Source{cfg: cfg, clientID: id, tls: tlsConfig, credentials: credentials, handle: handle, metrics: m, log: log, delay: sessionBackoffMin}
}

// Run is a member of the group until ctx ends; it then drains, leaves the
// group and returns nil. It returns an error only if the cluster refuses the
// credentials or the group before the first join. After it, Run connects again,
// with new credentials, whatever happens.
func (s *Source) Run(ctx context.Context) error {
	defer s.setJoined(false, nil)
	for ctx.Err() == nil {
		err := s.session(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if refused(err) && !s.met {
			if hint := s.hint(err); hint != "" {
				err = fmt.Errorf("%w (%s)", err, hint)
			}
			return err
		}
		s.setJoined(false, err)
		s.hinted(s.log.Error(), err).Dur("retry_in_ms", s.delay).Msg("kafka not reached")
		sleep(ctx, s.delay)
		s.delay = min(2*s.delay, sessionBackoffMax)
	}
	return nil
}

// session is in the group with one set of credentials. It ends with ctx, or
// with an error that new credentials may mend.
func (s *Source) session(ctx context.Context) error {
	cred, err := s.credentials(ctx)
	if err != nil {
		return fmt.Errorf("%w: %w", errNoCredentials, err)
	}
	cl, err := connect(&s.cfg, cred, s.tls)
	if err != nil {
		return err
	}
	defer cl.close()
	for s.failures = 0; ; {
		err := s.membership(ctx, cl)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err == nil {
			continue
		}
		if refused(err) {
			return fmt.Errorf("join group %s: %w", s.cfg.GroupID, err)
		}
		s.failures++
		s.setJoined(false, err)
		s.hinted(seldom(s.log, s.failures), err).Str("group", s.cfg.GroupID).Int("attempt", s.failures).Msg("joining the group failed")
		sleep(ctx, rejoinDelay)
	}
}

// membership is in the group under one member id. It ends with ctx, with the error
// that made kafka-go forget the id, or with nil when it has to subscribe to other
// topics.
func (s *Source) membership(ctx context.Context, cl *cluster) error {
	s.memberships++
	id := fmt.Sprintf("%s-%d", s.clientID, s.memberships)
	group, err := kafka.NewConsumerGroup(kafka.ConsumerGroupConfig{
		ID: s.cfg.GroupID, Brokers: cl.brokers, Topics: s.subscription(),
		Dialer:            &kafka.Dialer{ClientID: id, Timeout: dialTimeout, TLS: cl.transport.TLS, SASLMechanism: cl.transport.SASL},
		SessionTimeout:    s.cfg.sessionTimeout(),
		HeartbeatInterval: s.cfg.sessionTimeout() / heartbeatDivisor,
		RebalanceTimeout:  s.cfg.DrainTimeout + rejoinMargin,
	})
	if err != nil {
		return err
	}
	defer group.Close()
	joining, done := context.WithCancel(ctx)
	var leaving sync.WaitGroup
	defer leaving.Wait()
	defer done()
	if s.memberships > 1 {
		leaving.Go(func() { s.leaveFormer(joining, cl, id) })
	}
	for ctx.Err() == nil {
		gen, err := group.Next(ctx)
		switch {
		case errors.Is(err, kafka.RebalanceInProgress):
			s.log.Debug().Err(err).Msg("joining the group failed")
		case err != nil:
			return err
		default:
			done()
			idle := !slices.ContainsFunc(s.cfg.topics(), func(topic string) bool { return len(gen.Assignments[topic]) > 0 })
			if (idle || len(s.missing) > 0) && s.lookForTopics(ctx, cl) {
				return nil
			}
			s.member(ctx, cl, group, gen)
		}
	}
	return nil
}

// lookForTopics notes which topics are missing, and reports whether these are others
// than before. kafka-go assigns no partition at all while one of the topics that a
// member subscribes to is missing.
func (s *Source) lookForTopics(ctx context.Context, cl *cluster) (changed bool) {
	counts, err := cl.partitionCounts(ctx, s.cfg.topics())
	missing := slices.DeleteFunc(s.cfg.topics(), func(topic string) bool { return counts[topic] > 0 })
	if err != nil || slices.Equal(missing, s.missing) {
		return false
	}
	for _, topic := range missing {
		s.log.Warn().Str("topic", topic).Msg("topic not found")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.missing = missing
	return true
}

// subscription is the topics that are not missing, or all if there are no others.
func (s *Source) subscription() []string {
	there := slices.DeleteFunc(s.cfg.topics(), func(topic string) bool { return slices.Contains(s.missing, topic) })
	if len(there) == 0 {
		return s.cfg.topics()
	}
	return there
}

// leaveFormer removes this process's former memberships from the group, until ctx
// ends. kafka-go forgets its member id when the answer to a join is lost or it
// cannot leave, and the group would wait a session timeout for each. A coordinator
// that has just started may not know them yet, so that once is not enough.
func (s *Source) leaveFormer(ctx context.Context, cl *cluster, current string) {
	for delay := leaveRetry; ctx.Err() == nil; delay = min(2*delay, leaveRetryMax) {
		g, err := cl.describe(ctx)
		for _, m := range g.Members {
			if strings.HasPrefix(m.ClientID, s.clientID) && m.ClientID != current {
				_, left := cl.client.LeaveGroup(ctx, &kafka.LeaveGroupRequest{GroupID: cl.group, Members: []kafka.LeaveGroupRequestMember{{ID: m.MemberID}}})
				err = errors.Join(err, left)
			}
		}
		if err != nil && ctx.Err() == nil {
			s.log.Debug().Err(err).Msg("former members not removed from group")
		}
		sleep(ctx, delay)
	}
}

// seldom begins a log line about the nth failure in a row: a warning if n is 1, 2,
// 4, 8 and so on, else for debugging.
func seldom(log zerolog.Logger, n int) *zerolog.Event {
	if n&(n-1) == 0 {
		return log.Warn()
	}
	return log.Debug()
}

// member works through one generation. If ctx has ended it also leaves the group,
// because kafka-go joins again as soon as the generation's function returns.
func (s *Source) member(ctx context.Context, cl *cluster, group *kafka.ConsumerGroup, gen *kafka.Generation) {
	s.setJoined(true, nil)
	s.met, s.failures, s.delay = true, 0, sessionBackoffMin
	s.metrics.Rebalances.Inc()
	drained, ended := make(chan struct{}), make(chan struct{})
	gen.Start(func(genCtx context.Context) {
		defer close(ended)
		newGeneration(s, cl, gen).run(ctx, genCtx)
		close(drained)
		if ctx.Err() != nil {
			<-genCtx.Done()
		}
	})
	<-drained
	if ctx.Err() != nil {
		group.Close()
	}
	<-ended
}
