package kafka

import (
	"errors"
	"net"

	"github.com/rs/zerolog"
	"github.com/segmentio/kafka-go"
)

// errNoCredentials means that there are no brokers and no user to connect with.
var errNoCredentials = errors.New("kafka credentials not found")

// refusals are the errors for which a retry with the same credentials does not
// help, each with the settings that it most likely comes from.
var refusals = map[kafka.Error]string{
	kafka.SASLAuthenticationFailed:   "the user name or password from Port's Kafka credentials was not accepted; see KAFKA_CONSUMER_AUTHENTICATION_MECHANISM",
	kafka.UnsupportedSASLMechanism:   "see KAFKA_CONSUMER_AUTHENTICATION_MECHANISM",
	kafka.GroupAuthorizationFailed:   "see KAFKA_CONSUMER_GROUP_ID; Port allows names that start with the organisation's id",
	kafka.InvalidGroupId:             "see KAFKA_CONSUMER_GROUP_ID; Port allows names that start with the organisation's id",
	kafka.TopicAuthorizationFailed:   "see KAFKA_RUNS_TOPIC and KAFKA_CHANGE_LOG_TOPIC",
	kafka.ClusterAuthorizationFailed: "",
	kafka.InvalidSessionTimeout:      "see KAFKA_CONSUMER_SESSION_TIMEOUT_MS",
}

// refused reports whether err is one of the refusals.
func refused(err error) bool {
	answer, _ := errors.AsType[kafka.Error](err)
	_, no := refusals[answer]
	return no
}

// hint names the settings that an error most likely comes from. After the first
// join it is empty for errors that are normal in the life of a cluster.
func (s *Source) hint(err error) string {
	if answer, ok := errors.AsType[kafka.Error](err); ok {
		return refusals[answer]
	}
	_, unknown := errors.AsType[*net.DNSError](err)
	switch {
	case errors.Is(err, errNoCredentials):
		return "they come from Port's API; with USING_LOCAL_PORT_INSTANCE they come from KAFKA_CONSUMER_BOOTSTRAP_SERVERS"
	case unknown:
		return "the broker's name is not known; see KAFKA_CONSUMER_BOOTSTRAP_SERVERS or Port's Kafka credentials"
	case s.met:
		return ""
	default:
		return "see KAFKA_CONSUMER_SECURITY_PROTOCOL and the brokers' addresses"
	}
}

// hinted adds err to a line, and which setting it may come from.
func (s *Source) hinted(line *zerolog.Event, err error) *zerolog.Event {
	if hint := s.hint(err); hint != "" {
		line = line.Str("hint", hint)
	}
	return line.Err(err)
}
