package status

import (
	"fmt"
	"strings"
	"time"

	"port-agent/agent/activity"
	"port-agent/agent/kafka/ledger"
	"port-agent/cmd/terminal"
)

// Thresholds of the diagnosis.
const (
	hangs      = 5 * time.Second  // a host hangs if a request has waited longer and events wait for it
	portQuiet  = 30 * time.Second // Port is away if it has accepted no call for longer
	lagThought = 100              // a growing lag of more records is a fault
)

// Diagnose sets the health of s to the first fault that it finds.
func Diagnose(s *Status) {
	s.Health = Health{Working: true, Sentence: "working"}
	if section, sentence := fault(s); sentence != "" {
		s.Health = Health{Sentence: sentence, Page: "docs/operate.md#" + strings.ToLower(section)}
	}
}

// fault returns the first fault and its section of docs/operate.md; both are empty
// if there is none. Faults that stop all runs come before those that slow some down.
func fault(s *Status) (section, sentence string) {
	switch src := s.Source; {
	case !src.Connected && src.Kind == "POLLING":
		return "PortAgentSourceDisconnected", withCause("Port's API is not reached, so no events come in", src.Error)
	case !src.Connected:
		return "PortAgentSourceDisconnected", withCause("Kafka is not reached, so no events come in", src.Error)
	case src.Missing != "":
		return "PortAgentSourceDisconnected", fmt.Sprintf("the topic %s is not found, so no runs come in: see KAFKA_RUNS_TOPIC", src.Missing)
	case s.Port.Refused:
		return "PortAgentTokenFailing", "Port refuses PORT_CLIENT_ID and PORT_CLIENT_SECRET, so no run can be reported"
	case s.Port.Limited:
		return "PortAgentReportsNotAccepted", fmt.Sprintf("Port's rate limit is used up (429), so reports wait until %s", clock(s.Port.Reset))
	case s.Port.Error != "" && !s.Port.OKAt.After(s.Port.ErrorAt) && s.Time.Sub(s.Port.OKAt) >= portQuiet:
		return "PortAgentReportsNotAccepted", withCause("Port's API accepts no calls, so reports wait", s.Port.Error)
	case s.Mapping.Rejected != "":
		return "PortAgentMappingRefused", withCause("the changed mapping was refused, and the one loaded at "+clock(s.Mapping.Loaded)+" stays in use", s.Mapping.Rejected)
	}
	for _, h := range s.Hosts {
		if oldest := s.Time.Sub(h.Oldest); h.Used > 0 && h.Waiting > 0 && oldest > hangs {
			return "PortAgentEventsStuck", fmt.Sprintf("%s hangs: %s without an answer, the oldest for %s, and %s in its queue", h.Name,
				terminal.Count(h.Used, "request"), age(oldest), terminal.Count(h.Waiting, "event"))
		}
	}
	var worst ledger.State
	for _, p := range s.Source.Partitions {
		if p.Full {
			cause := ""
			if len(s.Oldest) > 0 {
				cause = fmt.Sprintf("the oldest event, %s, %s", name(s.Oldest[0]), s.Oldest[0].State)
			}
			return "PortAgentEventsStuck", withCause(fmt.Sprintf("%s/%d reads no further: its window of unsettled events is full", p.Topic, p.Partition), cause)
		}
		if p.Lag > lagThought && p.Lag > p.Before && p.Lag > worst.Lag {
			worst = p
		}
	}
	if worst.Lag == 0 {
		return "", ""
	}
	return "PortAgentLagGrowing", fmt.Sprintf("%s/%d falls behind: %d records, %d more than some minutes ago",
		worst.Topic, worst.Partition, worst.Lag, worst.Lag-worst.Before)
}

func withCause(sentence, cause string) string {
	if cause == "" {
		return sentence
	}
	return sentence + ": " + cause
}

// name is the run of an event, or its place if it has none.
func name(e activity.Event) string {
	if e.Run != "" {
		return e.Run
	}
	return fmt.Sprintf("%s/%d/%d", e.Topic, e.Partition, e.Offset)
}

func clock(t time.Time) string { return t.UTC().Format("15:04:05") + " UTC" }

// age prints a duration with its two largest units.
func age(d time.Duration) string {
	s := int(d.Seconds())
	switch {
	case s < 60:
		return fmt.Sprintf("%d s", s)
	case s < 3600:
		return fmt.Sprintf("%d min %d s", s/60, s%60)
	case s < 86400:
		return fmt.Sprintf("%d h %d min", s/3600, s/60%60)
	}
	return fmt.Sprintf("%d d %d h", s/86400, s/3600%24)
}
