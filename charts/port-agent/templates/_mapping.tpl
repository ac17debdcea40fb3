{{/* The mapping's text as JSON, empty where no mapping is given inline. An editor's byte order mark goes. */}}
{{- define "port-agent.mapping" -}}
{{- $mapping := .Values.invocations | default .Values.controlThePayloadConfig -}}
{{- if kindIs "string" $mapping -}}
{{- trim (trimPrefix "\ufeff" $mapping) -}}
{{- else if $mapping -}}
{{- toRawJson $mapping -}}
{{- end -}}
{{- end -}}

{{/* The name of the mapping's file, empty where the values give none. */}}
{{- define "port-agent.mappingFile" -}}
{{- if or .Values.invocations .Values.invocationsConfigMap.name -}}
invocations.json
{{- else if .Values.controlThePayloadConfig -}}
control_the_payload_config.json
{{- end -}}
{{- end -}}

{{/*
The folder that the mapping's ConfigMap is mounted at, whole: a file that is mounted alone (subPath) never changes in a
running pod.
*/}}
{{- define "port-agent.mappingFolder" -}}
/etc/port-agent/mapping
{{- end -}}

{{- define "port-agent.mappingPath" -}}
{{- with include "port-agent.mappingFile" . -}}
{{ include "port-agent.mappingFolder" $ }}/{{ . }}
{{- end -}}
{{- end -}}

{{- define "port-agent.mappingConfigMap" -}}
{{- .Values.invocationsConfigMap.name | default (printf "%s-mapping" (include "port-agent.fullname" .)) -}}
{{- end -}}

{{/* Fails where the inline mapping is neither a JSON array of objects nor an object whose rules are one. */}}
{{- define "port-agent.checkMapping" -}}
{{- $name := ternary "invocations" "controlThePayloadConfig" (not (empty .Values.invocations)) -}}
{{- $value := .Values.invocations | default .Values.controlThePayloadConfig -}}
{{- $text := include "port-agent.mapping" . -}}
{{- if $text -}}
  {{- if not (kindIs "string" $value) -}}
    {{- include "port-agent.checkYAML" (list $name $value) -}}
  {{- end -}}
  {{- $rules := $text -}}
  {{- if hasPrefix "{" $text -}}
    {{- $file := fromJson $text -}}
    {{- if and (hasKey $file "Error") (not (hasKey $file "rules")) -}}
      {{- fail (printf "%s is not valid JSON: %s." $name (get $file "Error")) -}}
    {{- end -}}
    {{- if not (kindIs "slice" (get $file "rules")) -}}
      {{- fail (printf "%s must be a JSON array of rules, or an object with the array \"rules\"." $name) -}}
    {{- end -}}
    {{- $rules = toJson (get $file "rules") -}}
  {{- else if not (hasPrefix "[" $text) -}}
    {{- fail (printf "%s must be a JSON array of rules, it begins with %q." $name (trunc 20 $text)) -}}
  {{- end -}}
  {{- $rules = fromJsonArray $rules -}}
  {{- if and (eq (len $rules) 1) (kindIs "string" (first $rules)) -}}
    {{- fail (printf "%s is not valid JSON: %s." $name (first $rules)) -}}
  {{- end -}}
  {{- range $i, $rule := $rules -}}
    {{- if not (kindIs "map" $rule) -}}
      {{- fail (printf "%s: rule %d must be an object such as {\"enabled\": true}." $name $i) -}}
    {{- end -}}
  {{- end -}}
  {{- if gt (len $text) 1000000 -}}
    {{- fail (printf "%s has %d bytes, a ConfigMap holds 1 MiB: put it into the image or a volume and set env.normal.INVOCATIONS_PATH." $name (len $text)) -}}
  {{- end -}}
{{- end -}}
{{- end -}}

{{/*
Fails where YAML or Helm has changed what the user wrote, as far as that can be seen: (list "path" value). Numbers pass
through floating point, and YAML reads the names y, n, yes, no, on and off as true and false.
*/}}
{{- define "port-agent.checkYAML" -}}
{{- $path := index . 0 -}}
{{- $value := index . 1 -}}
{{- if kindIs "map" $value -}}
  {{- range $key, $member := $value -}}
    {{- if has $key (list "true" "false") -}}
      {{- fail (printf "%s has the key %s: YAML reads y, yes and on as true, n, no and off as false. Write the key in quotes." $path $key) -}}
    {{- end -}}
    {{- include "port-agent.checkYAML" (list (printf "%s.%s" $path $key) $member) -}}
  {{- end -}}
{{- else if kindIs "slice" $value -}}
  {{- range $i, $member := $value -}}
    {{- include "port-agent.checkYAML" (list (printf "%s[%d]" $path $i) $member) -}}
  {{- end -}}
{{- else if eq (include "port-agent.rounded" $value) "true" -}}
  {{- fail (printf "%s is a number of more than 15 digits, which YAML rounds: give the mapping as text (--set-file invocations=FILE)." $path) -}}
{{- end -}}
{{- end -}}

{{/* Whether a value is a number that floating point may have changed. */}}
{{- define "port-agent.rounded" -}}
{{- and (kindIs "float64" .) (or (ge (toString . | float64) 9007199254740992.0) (le (toString . | float64) -9007199254740992.0)) -}}
{{- end -}}

{{/* What the pods read at their start alone: they roll out when it changes. */}}
{{- define "port-agent.checksums" -}}
checksum/mapping: {{ printf "%s %s %s" (include "port-agent.mappingFile" .) (toJson .Values.invocationsConfigMap) (include "port-agent.mapping" .) | sha256sum }}
checksum/secret: {{ include "port-agent.secretEnv" . | sha256sum }}
{{- if .Values.selfSignedCertificate.enabled }}
checksum/certificate: {{ toJson .Values.selfSignedCertificate | sha256sum }}
{{- end }}
{{- end -}}
