{{- define "fleetwave.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}{{ else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" }}{{ end }}
{{- end }}

{{/* Takes a dictionary of root and component. */}}
{{- define "fleetwave.selector" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "fleetwave.labels" -}}
{{ include "fleetwave.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end }}

{{- define "fleetwave.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}{{ .Values.serviceAccount.name | default (include "fleetwave.name" .) }}{{ else }}{{ .Values.serviceAccount.name | default "default" }}{{ end }}
{{- end }}

{{- define "fleetwave.image" -}}
{{- if .Values.image.digest }}{{ .Values.image.repository }}@{{ .Values.image.digest }}{{ else }}{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ end }}
{{- end }}

{{/* Of those named, the secrets that have a place. Takes a dictionary of root and names. */}}
{{- define "fleetwave.secretEnv" -}}
{{- $root := .root }}
{{- range .names }}
{{- $place := index $root.Values.secrets . }}
{{- if and $place $place.name }}
- name: {{ . }}
  valueFrom: { secretKeyRef: { name: {{ $place.name | quote }}, key: {{ $place.key | default . | quote }} } }
{{- else if eq . "DATABASE_URL" }}
{{- fail "secrets.DATABASE_URL must name the Secret that holds the address of PostgreSQL (docs/deploying.md)" }}
{{- end }}
{{- end }}
{{- end }}

{{/* Temporal's own variables. */}}
{{- define "fleetwave.temporalEnv" -}}
{{- with .Values.temporal.apiKey.name }}
- name: TEMPORAL_API_KEY
  valueFrom: { secretKeyRef: { name: {{ . | quote }}, key: {{ $.Values.temporal.apiKey.key | default "TEMPORAL_API_KEY" | quote }} } }
{{- end }}
{{- with .Values.temporal.tls }}
{{- if or .secretName .serverName }}
- { name: TEMPORAL_TLS, value: 'true' }
{{- end }}
{{- if .secretName }}
- { name: TEMPORAL_TLS_CLIENT_CERT_PATH, value: /etc/fleetwave/temporal-tls/tls.crt }
- { name: TEMPORAL_TLS_CLIENT_KEY_PATH, value: /etc/fleetwave/temporal-tls/tls.key }
{{- if .serverCa }}
- { name: TEMPORAL_TLS_SERVER_CA_CERT_PATH, value: /etc/fleetwave/temporal-tls/ca.crt }
{{- end }}
{{- end }}
{{- with .serverName }}
- { name: TEMPORAL_TLS_SERVER_NAME, value: {{ . | quote }} }
{{- end }}
{{- end }}
{{- end }}

{{- define "fleetwave.podSecurity" -}}
runAsNonRoot: true
# The image's user `node`: Kubernetes cannot tell from a name that it is not root.
runAsUser: 1000
runAsGroup: 1000
fsGroup: 1000
seccompProfile: { type: RuntimeDefault }
{{- end }}

{{- define "fleetwave.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end }}

{{- define "fleetwave.mounts" -}}
- { name: tmp, mountPath: /tmp }
{{- if .Values.temporal.tls.secretName }}
- { name: temporal-tls, mountPath: /etc/fleetwave/temporal-tls, readOnly: true }
{{- end }}
{{- end }}

{{- define "fleetwave.volumes" -}}
- name: tmp
  emptyDir: { sizeLimit: 64Mi }
{{- with .Values.temporal.tls.secretName }}
- name: temporal-tls
  secret: { secretName: {{ . | quote }} }
{{- end }}
{{- end }}

{{/* Spread over machines, and where they may run. Takes a dictionary of root, component and part. */}}
{{- define "fleetwave.placement" -}}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "fleetwave.selector" . | nindent 8 }}
{{- with .part.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .part.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .part.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
