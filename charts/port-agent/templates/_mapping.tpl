{{/* The mapping's text as JSON, empty where no mapping is given inline. */}}
{{- define "port-agent.mapping" -}}
{{- $mapping := .Values.invocations | default .Values.controlThePayloadConfig -}}
{{- if kindIs "string" $mapping -}}
{{- trim $mapping -}}
{{- else if $mapping -}}
{{- toRawJson $mapping -}}
{{- end -}}
{{- end -}}

{{/* The file that holds the mapping: the agent looks for both in its working directory. */}}
{{- define "port-agent.mappingFile" -}}
{{- if or .Values.invocations .Values.invocationsConfigMap.name -}}
invocations.json
{{- else if .Values.controlThePayloadConfig -}}
control_the_payload_config.json
{{- end -}}
{{- end -}}

{{- define "port-agent.mappingConfigMap" -}}
{{- .Values.invocationsConfigMap.name | default (printf "%s-mapping" (include "port-agent.fullname" .)) -}}
{{- end -}}

{{/* Fails where the inline mapping is not a JSON array of objects. */}}
{{- define "port-agent.checkMapping" -}}
{{- $name := ternary "invocations" "controlThePayloadConfig" (not (empty .Values.invocations)) -}}
{{- $text := include "port-agent.mapping" . -}}
{{- if $text -}}
  {{- if not (hasPrefix "[" $text) -}}
    {{- fail (printf "%s must be a JSON array of rules, it begins with %q." $name (trunc 20 $text)) -}}
  {{- end -}}
  {{- $rules := fromJsonArray $text -}}
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

{{/* What the pods read at their start alone: they roll out when it changes. */}}
{{- define "port-agent.checksums" -}}
checksum/mapping: {{ printf "%s %s %s" (include "port-agent.mappingFile" .) (toJson .Values.invocationsConfigMap) (include "port-agent.mapping" .) | sha256sum }}
checksum/secret: {{ include "port-agent.secretEnv" . | sha256sum }}
{{- if .Values.selfSignedCertificate.enabled }}
checksum/certificate: {{ toJson .Values.selfSignedCertificate | sha256sum }}
{{- end }}
{{- end -}}
