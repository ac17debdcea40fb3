{{/*
The variables that the pod reads from the chart's Secret, as a JSON object: YAML would drop line ends of some values.
Empty ones are left out, and those that env.normal sets as well: of two variables with one name the plain one counts.
*/}}
{{- define "port-agent.secretEnv" -}}
{{- $env := dict -}}
{{- if eq (include "port-agent.truth" .Values.secret.useExistingSecret) "false" -}}
  {{- $plain := include "port-agent.plainEnv" . | fromJson -}}
  {{- range $name, $value := .Values.env.secret -}}
    {{- $text := include "port-agent.text" $value -}}
    {{- if and $text (not (hasKey $plain $name)) -}}
      {{- $_ := set $env $name $text -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
{{- toJson $env -}}
{{- end -}}

{{/* The plain variables as a JSON object, without the empty ones: to the agent an empty variable is one that is not set. */}}
{{- define "port-agent.plainEnv" -}}
{{- $env := dict -}}
{{- range $name, $value := .Values.env.normal -}}
  {{- $text := include "port-agent.text" $value -}}
  {{- if $text -}}
    {{- $_ := set $env $name $text -}}
  {{- end -}}
{{- end -}}
{{- toJson $env -}}
{{- end -}}

{{/* One setting as the chart knows it, or its default: (list $ "NAME" "default"). */}}
{{- define "port-agent.setting" -}}
{{- $root := index . 0 -}}
{{- $name := index . 1 -}}
{{- $plain := include "port-agent.plainEnv" $root | fromJson -}}
{{- $secret := include "port-agent.secretEnv" $root | fromJson -}}
{{- get $plain $name | default (get $secret $name) | default (index . 2) -}}
{{- end -}}

{{- define "port-agent.polling" -}}
{{- eq (include "port-agent.setting" (list . "STREAMER_NAME" "KAFKA") | upper) "POLLING" -}}
{{- end -}}

{{- define "port-agent.groupID" -}}
{{- $org := include "port-agent.setting" (list . "PORT_ORG_ID" "") -}}
{{- include "port-agent.setting" (list . "KAFKA_CONSUMER_GROUP_ID" (ternary (printf "%s.port-agent" $org) "" (ne $org ""))) -}}
{{- end -}}

{{/* A topic's name, empty where it is not known before the agent runs: (list $ "KAFKA_RUNS_TOPIC" "runs"). */}}
{{- define "port-agent.topic" -}}
{{- $root := index . 0 -}}
{{- $org := include "port-agent.setting" (list $root "PORT_ORG_ID" "") -}}
{{- include "port-agent.setting" (list $root (index . 1) (ternary (printf "%s.%s" $org (index . 2)) "" (ne $org ""))) -}}
{{- end -}}

{{/* How long the agent takes at most to finish what it has started, in seconds. */}}
{{- define "port-agent.drain" -}}
{{- include "port-agent.setting" (list . "SHUTDOWN_TIMEOUT_SECONDS" "45") | float64 | ceil -}}
{{- end -}}

{{- define "port-agent.gracePeriod" -}}
{{- if kindIs "invalid" .Values.terminationGracePeriodSeconds -}}
{{- add (include "port-agent.drain" . | float64) 15 -}}
{{- else -}}
{{- int .Values.terminationGracePeriodSeconds -}}
{{- end -}}
{{- end -}}

{{/*
Nine tenths of the memory limit, in bytes: Go's collector works harder there, before the kernel ends the container.
Empty where there is no limit, or one in a form other than a number with a unit.
*/}}
{{- define "port-agent.goMemLimit" -}}
{{- $limit := toString (dig "limits" "memory" "" (.Values.resources | default dict)) -}}
{{- if regexMatch "^[0-9]+(Ki|Mi|Gi|k|M|G)$" $limit -}}
  {{- $units := dict "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "k" 1000 "M" 1000000 "G" 1000000000 -}}
  {{- $bytes := mul (regexFind "^[0-9]+" $limit | int64) (get $units (regexFind "[A-Za-z]+$" $limit)) -}}
  {{- div (mul $bytes 9) 10 -}}
{{- end -}}
{{- end -}}

{{- define "port-agent.env" -}}
{{- $plain := include "port-agent.plainEnv" . | fromJson -}}
- name: HTTP_ADDR
  value: {{ printf ":%d" (int .Values.http.port) | quote }}
{{- with include "port-agent.mappingPath" . }}
{{- $_ := unset $plain "INVOCATIONS_PATH" }}
- name: INVOCATIONS_PATH
  value: {{ . | quote }}
{{- end }}
{{- $limit := include "port-agent.goMemLimit" . }}
{{- if and $limit (not (hasKey $plain "GOMEMLIMIT")) }}
- name: GOMEMLIMIT
  value: {{ $limit | quote }}
{{- end }}
{{- range $name, $value := include "port-agent.secretEnv" . | fromJson }}
- name: {{ $name | quote }}
  valueFrom:
    secretKeyRef:
      name: {{ include "port-agent.secretName" $ }}
      key: {{ $name | quote }}
{{- end }}
{{- range $name, $value := $plain }}
- name: {{ $name | quote }}
  value: {{ $value | quote }}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}
