{{/* Values that make no sense together fail here with a sentence, before anything reaches the cluster. */}}
{{- define "port-agent.validate" -}}
{{- include "port-agent.checkImage" . -}}
{{- include "port-agent.checkVariables" . -}}
{{- include "port-agent.checkCredentials" . -}}
{{- include "port-agent.checkEnv" . -}}
{{- include "port-agent.checkSource" . -}}
{{- include "port-agent.checkMappingSource" . -}}
{{- include "port-agent.checkMapping" . -}}
{{- include "port-agent.checkCertificate" . -}}
{{- include "port-agent.checkVolumes" . -}}
{{- include "port-agent.checkLifetime" . -}}
{{- include "port-agent.checkDisruption" . -}}
{{- include "port-agent.checkScaling" . -}}
{{- include "port-agent.checkMonitoring" . -}}
{{- end -}}

{{- define "port-agent.checkImage" -}}
{{- if not .Values.image.repository -}}
  {{- fail "image.repository is empty: build the image from a checkout, push it to your registry and name it here, as docs/install.md shows." -}}
{{- end -}}
{{- end -}}

{{/*
A value of a Secret is exactly what the user wrote, or refused. YAML and Helm change what is not in quotes: 0123 becomes
83, 1_000 becomes 1000, yes becomes true, and long numbers are rounded.
*/}}
{{- define "port-agent.checkVariables" -}}
{{- range $name, $value := .Values.env.secret -}}
  {{- if not (or (kindIs "invalid" $value) (kindIs "string" $value)) -}}
    {{- fail (printf "env.secret.%s is not text: YAML and Helm may have changed it (0123 becomes 83, yes becomes true). Write it in quotes, or use --set-string." $name) -}}
  {{- end -}}
{{- end -}}
{{- range $name, $value := .Values.env.normal -}}
  {{- if eq (include "port-agent.rounded" $value) "true" -}}
    {{- fail (printf "env.normal.%s is a number of more than 15 digits, which YAML rounds: write it in quotes." $name) -}}
  {{- end -}}
{{- end -}}
{{- range $group, $values := .Values.env -}}
  {{- range $name, $_ := $values -}}
    {{- if or (not (regexMatch "^[-._A-Za-z][-._A-Za-z0-9]*$" $name)) (hasPrefix ".." $name) (eq $name ".") (gt (len $name) 253) -}}
      {{- fail (printf "env.%s.%s cannot be a variable's name in Kubernetes: letters, digits, \"_\", \"-\" and \".\" are allowed, and no digit in front." $group (trunc 60 $name)) -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
{{- end -}}

{{- define "port-agent.checkCredentials" -}}
{{- $existing := eq (include "port-agent.truth" .Values.secret.useExistingSecret) "true" -}}
{{- if $existing -}}
  {{- range $name, $value := .Values.env.secret -}}
    {{- if include "port-agent.text" $value -}}
      {{- fail (printf "env.secret.%s and secret.useExistingSecret are both set: keep the value in the existing Secret, or set secret.useExistingSecret to false." $name) -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
{{- $elsewhere := dict -}}
{{- range .Values.extraEnv -}}
  {{- $_ := set $elsewhere .name true -}}
{{- end -}}
{{- range $name := list "PORT_CLIENT_ID" "PORT_CLIENT_SECRET" -}}
  {{- if not (or $existing $.Values.extraEnvFrom (hasKey $elsewhere $name) (include "port-agent.setting" (list $ $name ""))) -}}
    {{- fail (printf "env.secret.%s is empty: set it to the credential from Port's settings, or name a Secret that holds it with secret.useExistingSecret and secret.name." $name) -}}
  {{- end -}}
{{- end -}}
{{- end -}}

{{- define "port-agent.checkEnv" -}}
{{- $plain := include "port-agent.plainEnv" . | fromJson -}}
{{- $secret := include "port-agent.secretEnv" . | fromJson -}}
{{- if or (hasKey $plain "HTTP_ADDR") (hasKey $secret "HTTP_ADDR") -}}
  {{- fail "HTTP_ADDR is set by the chart, because probes and Service must agree with it: use http.port." -}}
{{- end -}}
{{- $seen := dict "HTTP_ADDR" true -}}
{{- with include "port-agent.mappingFile" . -}}
  {{- $path := get $plain "INVOCATIONS_PATH" | default (get $secret "INVOCATIONS_PATH") -}}
  {{- if and $path (not (has (clean $path) (list "invocations.json" "/app/invocations.json" (include "port-agent.mappingPath" $)))) -}}
    {{- fail (printf "INVOCATIONS_PATH is %s, and the values give a mapping too: the agent reads one mapping." $path) -}}
  {{- end -}}
  {{- $_ := set $seen "INVOCATIONS_PATH" true -}}
{{- end -}}
{{- range .Values.extraEnv -}}
  {{- if or (hasKey $plain .name) (hasKey $secret .name) (hasKey $seen .name) -}}
    {{- fail (printf "extraEnv sets %s, which is set already: a variable can be given once." .name) -}}
  {{- end -}}
  {{- $_ := set $seen .name true -}}
{{- end -}}
{{- end -}}

{{- define "port-agent.checkSource" -}}
{{- $source := include "port-agent.setting" (list . "STREAMER_NAME" "KAFKA") -}}
{{- if not (has (upper $source) (list "KAFKA" "POLLING")) -}}
  {{- fail (printf "STREAMER_NAME is %q: it must be KAFKA or POLLING." $source) -}}
{{- end -}}
{{- $group := include "port-agent.setting" (list . "KAFKA_CONSUMER_GROUP_ID" "") -}}
{{- if and (eq (include "port-agent.polling" .) "true") $group (or .Values.keda.enabled (gt (int .Values.replicaCount) 0)) -}}
  {{- fail (printf "STREAMER_NAME is POLLING and KAFKA_CONSUMER_GROUP_ID is %q: replicas that poll are in no consumer group. Remove one of the two." $group) -}}
{{- end -}}
{{- end -}}

{{- define "port-agent.checkMappingSource" -}}
{{- $given := list -}}
{{- if .Values.invocations }}{{ $given = append $given "invocations" }}{{ end -}}
{{- if .Values.invocationsConfigMap.name }}{{ $given = append $given "invocationsConfigMap.name" }}{{ end -}}
{{- if .Values.controlThePayloadConfig }}{{ $given = append $given "controlThePayloadConfig" }}{{ end -}}
{{- if gt (len $given) 1 -}}
  {{- fail (printf "%s are both set: the agent reads one mapping." (join " and " $given)) -}}
{{- end -}}
{{- if hasKey .Values "controlThePayloadConfigFile" -}}
  {{- fail "controlThePayloadConfigFile names a file inside the chart: pass its text instead, with --set-file invocations=FILE." -}}
{{- end -}}
{{- end -}}

{{- define "port-agent.checkCertificate" -}}
{{- with .Values.selfSignedCertificate -}}
{{- if .enabled -}}
  {{- $existing := eq (include "port-agent.truth" .secret.useExistingSecret) "true" -}}
  {{- if and $existing .certificate -}}
    {{- fail "selfSignedCertificate.certificate and selfSignedCertificate.secret.useExistingSecret are both set: choose one." -}}
  {{- end -}}
  {{- if and $existing (not .secret.name) -}}
    {{- fail "selfSignedCertificate.secret.useExistingSecret needs selfSignedCertificate.secret.name." -}}
  {{- end -}}
  {{- if and (not $existing) (not (contains "-----BEGIN CERTIFICATE-----" (.certificate | default ""))) -}}
    {{- fail "selfSignedCertificate.enabled needs a PEM certificate: set selfSignedCertificate.certificate (--set-file), or selfSignedCertificate.secret.useExistingSecret and name." -}}
  {{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "port-agent.checkVolumes" -}}
{{- range .Values.extraVolumes -}}
  {{- if has .name (list "mapping" "certificates") -}}
    {{- fail (printf "extraVolumes has a volume %q: the chart has one of that name, choose another." .name) -}}
  {{- end -}}
{{- end -}}
{{- $taken := dict -}}
{{- if .Values.selfSignedCertificate.enabled -}}
  {{- $_ := set $taken "/usr/local/share/ca-certificates/cert.crt" "selfSignedCertificate" -}}
{{- end -}}
{{- if include "port-agent.mappingFile" . -}}
  {{- $_ := set $taken (include "port-agent.mappingFolder" .) "the mapping of the values" -}}
{{- end -}}
{{- range .Values.extraVolumeMounts -}}
  {{- $path := .mountPath | default "" | clean -}}
  {{- with get $taken $path -}}
    {{- fail (printf "extraVolumeMounts has a mount at %s, where %s is: choose one." $path .) -}}
  {{- end -}}
  {{- if and (include "port-agent.mappingFile" $) (hasPrefix (printf "%s/" (include "port-agent.mappingFolder" $)) $path) -}}
    {{- fail (printf "extraVolumeMounts has a mount at %s, inside the folder of the mapping, which nothing can be added to: mount it elsewhere." $path) -}}
  {{- end -}}
  {{- $_ := set $taken $path "another of them" -}}
{{- end -}}
{{- end -}}

{{- define "port-agent.checkLifetime" -}}
{{- $drain := include "port-agent.setting" (list . "SHUTDOWN_TIMEOUT_SECONDS" "45") -}}
{{- if not (and (regexMatch "^[0-9]+(\\.[0-9]+)?$" $drain) (ge ($drain | float64) 1.0) (le ($drain | float64) 3600.0)) -}}
  {{- fail (printf "SHUTDOWN_TIMEOUT_SECONDS is %q: it must be a number of seconds between 1 and 3600." $drain) -}}
{{- end -}}
{{- if le (include "port-agent.gracePeriod" . | float64) ($drain | float64) -}}
  {{- fail (printf "terminationGracePeriodSeconds is %s and SHUTDOWN_TIMEOUT_SECONDS is %s: the pod would be killed before the agent has finished its work. Make the grace period longer." (include "port-agent.gracePeriod" .) $drain) -}}
{{- end -}}
{{- end -}}

{{- define "port-agent.checkDisruption" -}}
{{- with .Values.podDisruptionBudget -}}
{{- if .enabled -}}
  {{- $min := include "port-agent.text" .minAvailable -}}
  {{- $max := include "port-agent.text" .maxUnavailable -}}
  {{- $replicas := int (ternary $.Values.keda.minReplicas $.Values.replicaCount $.Values.keda.enabled) -}}
  {{- if and (eq $min "") (eq $max "") -}}
    {{- fail "podDisruptionBudget needs maxUnavailable or minAvailable." -}}
  {{- end -}}
  {{- if and $min $max (ne $max "1") -}}
    {{- fail "podDisruptionBudget.minAvailable and podDisruptionBudget.maxUnavailable are both set: choose one." -}}
  {{- end -}}
  {{- if has $max (list "0" "0%") | and (eq $min "") -}}
    {{- fail (printf "podDisruptionBudget.maxUnavailable %s lets no pod be evicted: a node could never be drained." $max) -}}
  {{- end -}}
  {{- if $min -}}
    {{- $all := ternary (ge (trimSuffix "%" $min | int) 100) (ge (int $min) $replicas) (hasSuffix "%" $min) -}}
    {{- if and $all (gt $replicas 0) -}}
      {{- fail (printf "podDisruptionBudget.minAvailable %s of %d replicas lets no pod be evicted: a node could never be drained." $min $replicas) -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "port-agent.checkScaling" -}}
{{- with .Values.keda -}}
{{- if .enabled -}}
  {{- if eq (include "port-agent.polling" $) "true" -}}
    {{- fail "keda.enabled scales on the lag of a Kafka topic, and STREAMER_NAME is POLLING: switch one of them off." -}}
  {{- end -}}
  {{- if lt (int .partitions) 1 -}}
    {{- fail "keda.enabled needs keda.partitions, the number of partitions of the runs topic: more replicas than that would stand idle." -}}
  {{- end -}}
  {{- if gt (int .minReplicas) (int .partitions) -}}
    {{- fail (printf "keda.minReplicas is %d and keda.partitions is %d: there is no work for more replicas than partitions." (int .minReplicas) (int .partitions)) -}}
  {{- end -}}
  {{- if not (include "port-agent.topic" (list $ "KAFKA_RUNS_TOPIC" "runs")) -}}
    {{- fail "keda.enabled needs env.normal.PORT_ORG_ID, from which topic and consumer group are named." -}}
  {{- end -}}
  {{- if eq .trigger "prometheus" -}}
    {{- if not .prometheus.serverAddress -}}
      {{- fail "keda.trigger prometheus needs keda.prometheus.serverAddress." -}}
    {{- end -}}
    {{- if lt (int .minReplicas) 1 -}}
      {{- fail "keda.minReplicas must be at least 1 with keda.trigger prometheus: without a replica there is no lag metric to scale up on." -}}
    {{- end -}}
  {{- else -}}
    {{- if not .kafka.bootstrapServers -}}
      {{- fail "keda.trigger kafka needs keda.kafka.bootstrapServers." -}}
    {{- end -}}
    {{- if and .kafka.authenticationRef .kafka.secretName -}}
      {{- fail "keda.kafka.authenticationRef and keda.kafka.secretName are both set: choose one." -}}
    {{- end -}}
    {{- $protocol := include "port-agent.setting" (list $ "KAFKA_CONSUMER_SECURITY_PROTOCOL" "plaintext") | upper -}}
    {{- if and (hasPrefix "SASL" $protocol) (not .kafka.authenticationRef) (not .kafka.secretName) -}}
      {{- fail (printf "keda.trigger kafka with %s needs keda.kafka.secretName or keda.kafka.authenticationRef: KEDA cannot ask Port for the credentials as the agent does." $protocol) -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "port-agent.checkMonitoring" -}}
{{- if and .Values.serviceMonitor.enabled (not .Values.service.enabled) -}}
  {{- fail "serviceMonitor.enabled needs service.enabled: Prometheus finds the pods through the Service." -}}
{{- end -}}
{{- if .Values.prometheusRule.enabled -}}
  {{- $known := dict -}}
  {{- range (.Files.Get "files/alerts.yaml" | fromYaml).groups -}}
    {{- range .rules }}{{ $_ := set $known .alert true }}{{ end -}}
  {{- end -}}
  {{- range $alert, $_ := .Values.prometheusRule.alerts -}}
    {{- if not (hasKey $known $alert) -}}
      {{- fail (printf "prometheusRule.alerts.%s is no alert of this chart; there are %s." $alert (keys $known | sortAlpha | join ", ")) -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
{{- end -}}
