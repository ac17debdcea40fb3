{{- define "port-agent.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* The name of every object. It and the selector must stay as they are: both are immutable in a cluster. */}}
{{- define "port-agent.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- $full := .Values.fullnameOverride -}}
{{- if not $full -}}
  {{- $full = ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{- end -}}
{{- $full | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "port-agent.selectorLabels" -}}
app.kubernetes.io/name: {{ include "port-agent.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* Labels of every object: the user's own, which never replace the chart's. */}}
{{- define "port-agent.labels" -}}
{{- $labels := dict
  "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-")
  "app.kubernetes.io/version" (include "port-agent.tag" . | trunc 63 | trimAll "-_.")
  "app.kubernetes.io/managed-by" .Release.Service -}}
{{- $labels = merge (include "port-agent.selectorLabels" . | fromYaml) $labels -}}
{{- range $key, $value := .Values.extraLabels -}}
  {{- if not (hasKey $labels $key) -}}
    {{- $_ := set $labels $key (include "port-agent.text" $value) -}}
  {{- end -}}
{{- end -}}
{{- toYaml $labels -}}
{{- end -}}

{{/* Labels of the pods: the user's own, and the selector. */}}
{{- define "port-agent.podLabels" -}}
{{- $labels := include "port-agent.selectorLabels" . | fromYaml -}}
{{- range $own := list .Values.podLabels .Values.extraLabels -}}
  {{- range $key, $value := $own -}}
    {{- if not (hasKey $labels $key) -}}
      {{- $_ := set $labels $key (include "port-agent.text" $value) -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
{{- toYaml $labels -}}
{{- end -}}

{{/* A scalar as text. YAML numbers arrive as floats: 4194304 must not become 4.194304e+06. */}}
{{- define "port-agent.text" -}}
{{- if kindIs "float64" . -}}
  {{- ternary (printf "%.0f" .) (toString .) (eq . (floor .)) -}}
{{- else if not (kindIs "invalid" .) -}}
  {{- toString . -}}
{{- end -}}
{{- end -}}

{{- define "port-agent.tag" -}}
{{- include "port-agent.text" .Values.image.tag | default .Chart.AppVersion -}}
{{- end -}}

{{- define "port-agent.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ include "port-agent.tag" $ }}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "port-agent.secretName" -}}
{{- .Values.secret.name | default (include "port-agent.fullname" .) -}}
{{- end -}}

{{- define "port-agent.certificateSecretName" -}}
{{- if eq (include "port-agent.truth" .Values.selfSignedCertificate.secret.useExistingSecret) "true" -}}
{{- .Values.selfSignedCertificate.secret.name -}}
{{- else -}}
{{- include "port-agent.fullname" . }}-cert
{{- end -}}
{{- end -}}

{{- define "port-agent.serviceAccountName" -}}
{{- (.Values.podServiceAccount | default dict).name | default (ternary (include "port-agent.fullname" .) "default" .Values.serviceAccount.create) -}}
{{- end -}}

{{/* A switch as "true" or "false": --set-string gives text where a values file gives a boolean. */}}
{{- define "port-agent.truth" -}}
{{- ternary "true" "false" (eq (toString .) "true") -}}
{{- end -}}
