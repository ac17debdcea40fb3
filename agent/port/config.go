package port

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"port-agent/agent/redact"
	"port-agent/invoker"
)

// DefaultBaseURL is Port's API in the EU.
const DefaultBaseURL = "https://api.getport.io"

const usBaseURL = "https://api.us.getport.io"

// Config says which organisation of Port the agent works for and how it
// proves that it may.
type Config struct {
	ClientID     string         `envconfig:"PORT_CLIENT_ID"`
	ClientSecret invoker.Secret `envconfig:"PORT_CLIENT_SECRET"`
	BaseURL      string         `envconfig:"PORT_API_BASE_URL" default:"https://api.getport.io"`
	OrgID        string         `envconfig:"PORT_ORG_ID"` // asked of Port where empty

	// Transport brings the proxies and certificate authorities; of an
	// *http.Transport the client takes a copy, with a pool of its own. Nil:
	// the proxies of the environment and the system's authorities.
	Transport http.RoundTripper `ignored:"true"`
	// Redactor is told of every access token. Nil: of none.
	Redactor *redact.Redactor `ignored:"true"`
}

// Validate reports every fault of the settings at once, each naming its
// variable and none its value.
func (c Config) Validate() error {
	_, badURL := c.base()
	return errors.Join(
		credential("PORT_CLIENT_ID", c.ClientID),
		credential("PORT_CLIENT_SECRET", c.ClientSecret.Reveal()),
		badURL,
	)
}

// credential catches what Port would refuse in any case, most often the line
// feed that `echo secret | base64` leaves at the end of a Kubernetes secret.
func credential(name, value string) error {
	if value == "" {
		return fmt.Errorf("%s is required", name)
	}
	if strings.TrimSpace(value) != value {
		return fmt.Errorf("%s begins or ends with white space", name)
	}
	return nil
}

// base is the address that every route is appended to, without a slash at
// its end.
func (c Config) base() (string, error) {
	u, err := url.Parse(cmp.Or(c.BaseURL, DefaultBaseURL))
	switch {
	case err != nil: // its text holds the value, which may hold a password
		return "", errors.New("PORT_API_BASE_URL is not a URL")
	case u.Scheme != "http" && u.Scheme != "https", u.Host == "":
		return "", errors.New("PORT_API_BASE_URL must be a full http or https URL, such as " + DefaultBaseURL)
	case u.User != nil, u.RawQuery != "", u.Fragment != "":
		return "", errors.New("PORT_API_BASE_URL must hold no user, query or fragment")
	}
	u.ForceQuery = false
	u.Path, u.RawPath = strings.TrimRight(u.Path, "/"), strings.TrimRight(u.RawPath, "/")
	return u.String(), nil
}
