{{- define "llm-gateway.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* Ends of names are added to it (-admin, -migrate, and a number and a hash by Kubernetes), so it leaves them room. */}}
{{- define "llm-gateway.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" }}
{{- else }}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- if contains $name .Release.Name }}
{{- .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" }}
{{- end }}
{{- end }}
{{- end }}

{{- define "llm-gateway.selectorLabels" -}}
app.kubernetes.io/name: {{ include "llm-gateway.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "llm-gateway.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "llm-gateway.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "llm-gateway.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "llm-gateway.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "llm-gateway.secretName" -}}
{{- if .Values.secrets.create }}
{{- if .Values.secrets.existingSecret }}
{{- fail "secrets.create and secrets.existingSecret: one of them, not both." }}
{{- end }}
{{- include "llm-gateway.fullname" . }}
{{- else }}
{{- required "secrets.existingSecret is required: the name of a Secret with DATABASE_URL and ADMIN_JWT_SECRET." .Values.secrets.existingSecret }}
{{- end }}
{{- end }}

{{- define "llm-gateway.image" -}}
{{- $repository := required "image.repository is required: where the image of deploy/Dockerfile is." .Values.image.repository }}
{{- if .Values.image.digest }}
{{- printf "%s@%s" $repository .Values.image.digest }}
{{- else }}
{{- printf "%s:%s" $repository (default .Chart.AppVersion .Values.image.tag) }}
{{- end }}
{{- end }}

{{/* A stop takes preStop, half a second of notice, drain_ms, 25 s for keyed runs, 5 s for the ledger and 2 s for telemetry. */}}
{{- define "llm-gateway.gracePeriod" -}}
{{- if not (kindIs "invalid" .Values.terminationGracePeriodSeconds) }}
{{- .Values.terminationGracePeriodSeconds | int }}
{{- else }}
{{- $drainMs := dig "timeouts" "drain_ms" 20000 .Values.config | int }}
{{- add (int .Values.preStopSeconds) (div (add $drainMs 999) 1000) 40 }}
{{- end }}
{{- end }}

{{- define "llm-gateway.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile: { type: RuntimeDefault }
{{- end }}

{{- define "llm-gateway.containerSecurityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end }}

{{/* Of the gateways and of the migration alike. */}}
{{- define "llm-gateway.envFrom" -}}
- secretRef: { name: {{ include "llm-gateway.secretName" . }} }
{{- with .Values.secrets.extraEnvFrom }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "llm-gateway.podTemplate" -}}
metadata:
  labels:
    {{- include "llm-gateway.selectorLabels" . | nindent 4 }}
    {{- with .Values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    kubectl.kubernetes.io/default-container: gateway
    {{- if .Values.config }}
    # Gateways read the file when they start.
    checksum/config: {{ toYaml .Values.config | sha256sum }}
    {{- end }}
    {{- if .Values.secrets.create }}
    checksum/secret: {{ toYaml .Values.secrets.values | sha256sum }}
    {{- end }}
    {{- with .Values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "llm-gateway.serviceAccountName" . }}
  automountServiceAccountToken: false
  # Else each Service of the namespace would be a few settings.
  enableServiceLinks: false
  {{- with .Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  securityContext:
    {{- include "llm-gateway.podSecurityContext" . | nindent 4 }}
  terminationGracePeriodSeconds: {{ include "llm-gateway.gracePeriod" . }}
  containers:
    - name: gateway
      image: {{ include "llm-gateway.image" . }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      securityContext:
        {{- include "llm-gateway.containerSecurityContext" . | nindent 8 }}
      envFrom:
        {{- include "llm-gateway.envFrom" . | nindent 8 }}
      env:
        - { name: HOST, value: {{ .Values.host | quote }} }
        - { name: PORT, value: {{ .Values.ports.http | quote }} }
        - { name: ADMIN_PORT, value: {{ .Values.ports.admin | quote }} }
        - { name: DATA_DIR, value: /data }
        {{- if .Values.config }}
        - { name: GATEWAY_CONFIG, value: /etc/llm-gateway/gateway.yaml }
        {{- end }}
        {{- range $name, $value := .Values.settings }}
        - { name: {{ $name }}, value: {{ $value | toString | quote }} }
        {{- end }}
      ports:
        - { name: http, containerPort: {{ .Values.ports.http }} }
        - { name: admin, containerPort: {{ .Values.ports.admin }} }
      # It listens at once; that it may be asked is another matter, and takes as long as the database is away.
      startupProbe:
        httpGet: { path: /livez, port: http }
        periodSeconds: 1
        failureThreshold: 60
      livenessProbe:
        httpGet: { path: /livez, port: http }
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: 3
      readinessProbe:
        httpGet: { path: /readyz, port: http }
        periodSeconds: 2
        timeoutSeconds: 2
        failureThreshold: 1
      {{- if .Values.preStopSeconds }}
      lifecycle:
        # Endpoints are removed while the process is being told.
        preStop: { sleep: { seconds: {{ .Values.preStopSeconds }} } }
      {{- end }}
      {{- with .Values.resources }}
      resources:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      volumeMounts:
        - { name: data, mountPath: /data }
        {{- if .Values.config }}
        # The directory and no single file in it, which would stay the one it was.
        - { name: config, mountPath: /etc/llm-gateway, readOnly: true }
        {{- end }}
  volumes:
    {{- if eq .Values.journal.type "emptyDir" }}
    - { name: data, emptyDir: { sizeLimit: {{ .Values.journal.size }} } }
    {{- else if eq .Values.journal.type "shared" }}
    - name: data
      persistentVolumeClaim:
        claimName: {{ required "journal.existingClaim is required with journal.type shared." .Values.journal.existingClaim }}
    {{- end }}
    {{- if .Values.config }}
    - { name: config, configMap: { name: {{ include "llm-gateway.fullname" . }} } }
    {{- end }}
  {{- with .Values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  topologySpreadConstraints:
    {{- if kindIs "invalid" .Values.topologySpreadConstraints }}
    {{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
    - maxSkew: 1
      topologyKey: {{ . }}
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "llm-gateway.selectorLabels" $ | nindent 10 }}
    {{- end }}
    {{- else }}
    {{- toYaml .Values.topologySpreadConstraints | nindent 4 }}
    {{- end }}
{{- end }}
