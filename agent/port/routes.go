package port

import (
	"net/url"
	"strings"
)

// route is one call of Port's API. Its name is what metrics and errors show:
// a closed set, with {id} in the place of a run's id.
type route struct{ name, method, path string }

func newRoute(method, path string) *route {
	return &route{name: method + " " + path, method: method, path: path}
}

// url is where the route is at base, for the run id.
func (r *route) url(base, id string) string {
	return base + strings.Replace(r.path, "{id}", url.PathEscape(id), 1)
}

// https://docs.port.io/api-reference/port-api; claims, acks and the log of a
// node run are those that Port's own agents use.
var (
	routeToken        = newRoute("POST", "/v1/auth/access_token")
	routeKafka        = newRoute("GET", "/v1/kafka-credentials")
	routeOrganization = newRoute("GET", "/v1/organization")
	routeStreamer     = newRoute("PATCH", "/v1/organization")

	routeRuns     = newRoute("GET", "/v1/actions/runs")
	routeRun      = newRoute("GET", "/v1/actions/runs/{id}")
	routeStatus   = newRoute("PATCH", "/v1/actions/runs/{id}")
	routeResponse = newRoute("PATCH", "/v1/actions/runs/{id}/response")
	routeLogs     = newRoute("GET", "/v1/actions/runs/{id}/logs")
	routeLog      = newRoute("POST", "/v1/actions/runs/{id}/logs")
	routeClaim    = newRoute("POST", "/v1/actions/runs/claim-pending")
	routeAck      = newRoute("PATCH", "/v1/actions/runs/ack")

	routeNode       = newRoute("GET", "/v1/workflows/nodes/runs/{id}")
	routeNodeStatus = newRoute("PATCH", "/v1/workflows/nodes/runs/{id}")
	routeNodeLogs   = newRoute("GET", "/v1/workflows/nodes/runs/{id}/logs")
	routeNodeLog    = newRoute("POST", "/v1/workflows/nodes/runs/{id}/logs")
	routeNodeClaim  = newRoute("POST", "/v1/workflows/runs/claim-pending")
	routeNodeAck    = newRoute("PATCH", "/v1/workflows/runs/ack")

	routes = []*route{
		routeToken, routeKafka, routeOrganization, routeStreamer,
		routeRuns, routeRun, routeStatus, routeResponse, routeLogs, routeLog, routeClaim, routeAck,
		routeNode, routeNodeStatus, routeNodeLogs, routeNodeLog, routeNodeClaim, routeNodeAck,
	}
)
