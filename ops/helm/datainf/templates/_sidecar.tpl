{{/* What a pod with the sidecar needs. In a chart of your own, with this one as a dependency named datainf:

    spec:
      securityContext: {{- include "datainf.podSecurityContext" .Subcharts.datainf | nindent 8 }}
      initContainers: {{- include "datainf.sidecar" .Subcharts.datainf | nindent 8 }}
      containers:
        - env: {{- include "datainf.trainerEnv" .Subcharts.datainf | nindent 12 }}
          volumeMounts: {{- include "datainf.trainerVolumeMounts" .Subcharts.datainf | nindent 12 }}
      volumes: {{- include "datainf.volumes" .Subcharts.datainf | nindent 8 }}
      terminationGracePeriodSeconds: {{ include "datainf.gracePeriodSeconds" .Subcharts.datainf }}

The labels datainf.selectorLabels on the pod let the other objects find it. */}}

{{- define "datainf.name" -}}
{{ printf "%s-%s" .Release.Name (default .Chart.Name .Values.nameOverride) | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "datainf.selectorLabels" -}}
app.kubernetes.io/name: datainf
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "datainf.labels" -}}
{{ include "datainf.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "datainf.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default (printf "%s%s" .Chart.AppVersion (ternary "-cuda" "" (gt (int .Values.gpu.count) 0))) }}
{{- end -}}
{{- end }}

{{/* Longer than the drain, so that what is in flight is acked. */}}
{{- define "datainf.gracePeriodSeconds" -}}
{{ add (index .Values.options "drain-timeout") 20 }}
{{- end }}

{{- define "datainf.podSecurityContext" -}}
fsGroup: {{ .Values.pod.fsGroup }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "datainf.env" -}}
- name: DATAINF_DATA_DIR
  value: /data/datainf
- name: DATAINF_UNIX_SOCKET
  value: /run/datainf/grpc.sock
- name: DATAINF_UNIX_SOCKET_MODE
  value: "0660"
# Kubelet asks health here; nothing else answers on this port.
- name: DATAINF_HEALTH
  value: 0.0.0.0:50052
{{- if .Values.remote.enabled }}
- name: DATAINF_LISTEN
  value: 0.0.0.0:50051
- name: DATAINF_HTTP
  value: 0.0.0.0:9464
- name: DATAINF_TLS_CERT
  value: /etc/datainf/tls/tls.crt
- name: DATAINF_TLS_KEY
  value: /etc/datainf/tls/tls.key
- name: DATAINF_TOKENS
  value: /etc/datainf/tokens/tokens.yaml
{{- end }}
{{- if gt (int .Values.gpu.count) 0 }}
- name: DATAINF_ENGINE
  value: cublas
{{- end }}
{{- range $name, $value := .Values.options }}
- name: DATAINF_{{ $name | replace "-" "_" | upper }}
  value: {{ $value | quote }}
{{- end }}
{{- end }}

{{- define "datainf.sidecar" -}}
- name: datainf
  image: {{ include "datainf.image" . }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  # An init container that goes on: the trainer starts once it serves, and it stops once the trainer has ended.
  restartPolicy: Always
  env:
    {{- include "datainf.env" . | nindent 4 }}
  ports:
    - name: health
      containerPort: 50052
    {{- if .Values.remote.enabled }}
    - name: grpc
      containerPort: 50051
    - name: http
      containerPort: 9464
    {{- end }}
  startupProbe:
    grpc:
      port: 50052
    periodSeconds: 1
    failureThreshold: 120
  readinessProbe:
    grpc:
      port: 50052
    periodSeconds: 5
  livenessProbe:
    grpc:
      port: 50052
    periodSeconds: 10
    timeoutSeconds: 5
    failureThreshold: 6
  resources:
    {{- $resources := deepCopy .Values.resources }}
    {{- if gt (int .Values.gpu.count) 0 }}
    {{- $_ := set $resources "limits" (merge (dict "nvidia.com/gpu" (toString .Values.gpu.count)) ($resources.limits | default dict)) }}
    {{- end }}
    {{- toYaml $resources | nindent 4 }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 65532
    runAsGroup: 65532
    readOnlyRootFilesystem: true
    allowPrivilegeEscalation: false
    capabilities:
      drop: [ALL]
    seccompProfile:
      type: RuntimeDefault
  volumeMounts:
    - name: datainf-data
      mountPath: /data
    - name: datainf-tmp
      mountPath: /tmp
    {{- include "datainf.trainerVolumeMounts" . | nindent 4 }}
    {{- if .Values.remote.enabled }}
    - name: datainf-tls
      mountPath: /etc/datainf/tls
      readOnly: true
    - name: datainf-tokens
      mountPath: /etc/datainf/tokens
      readOnly: true
    {{- end }}
{{- end }}

{{/* For the trainer: where datainf.Client finds the sidecar. */}}
{{- define "datainf.trainerEnv" -}}
- name: DATAINF_TARGET
  value: unix:/run/datainf/grpc.sock
{{- end }}

{{- define "datainf.trainerVolumeMounts" -}}
- name: datainf-socket
  mountPath: /run/datainf
- name: datainf-shm
  mountPath: /dev/shm
{{- end }}

{{- define "datainf.volumes" -}}
- name: datainf-data
  {{- if .Values.persistence.enabled }}
  persistentVolumeClaim:
    claimName: {{ .Values.persistence.existingClaim | default (printf "%s-data" (include "datainf.name" .)) }}
  {{- else }}
  emptyDir: {}
  {{- end }}
- name: datainf-tmp
  emptyDir:
    sizeLimit: 2Gi
- name: datainf-socket
  emptyDir: {}
- name: datainf-shm
  emptyDir:
    medium: Memory
    sizeLimit: {{ .Values.sharedMemory.size }}
{{- if .Values.remote.enabled }}
- name: datainf-tls
  secret:
    secretName: {{ .Values.remote.tlsSecretName }}
    defaultMode: 0440
- name: datainf-tokens
  secret:
    secretName: {{ .Values.remote.tokensSecretName }}
    defaultMode: 0440
{{- end }}
{{- end }}
