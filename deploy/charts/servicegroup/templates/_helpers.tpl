{{/* Room is left for the longest suffix, "-gateway-tls": a Service's name has at most 63 characters. */}}
{{- define "servicegroup.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "servicegroup.selector" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* Of (list $ COMPONENT); ours win over the user's, by which nothing is found. */}}
{{- define "servicegroup.labels" -}}
{{- $root := first . -}}
{{- $own := include "servicegroup.selector" $root | fromYaml -}}
{{- $_ := set $own "helm.sh/chart" (printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_") -}}
{{- $_ := set $own "app.kubernetes.io/version" $root.Chart.AppVersion -}}
{{- $_ := set $own "app.kubernetes.io/managed-by" $root.Release.Service -}}
{{- with last . -}}{{- $_ := set $own "app.kubernetes.io/component" . -}}{{- end -}}
{{- merge $own $root.Values.commonLabels | toYaml -}}
{{- end -}}

{{/* Names of a cluster's own: two releases in two namespaces must not fight over them. */}}
{{- define "servicegroup.clusterName" -}}
{{- $full := include "servicegroup.fullname" . -}}
{{- if eq $full .Release.Namespace -}}{{ $full }}{{- else -}}{{ printf "%s-%s" $full .Release.Namespace | trunc 200 }}{{- end -}}
{{- end -}}

{{- define "servicegroup.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "servicegroup.fullname" .) -}}
{{- else -}}
{{- required "serviceAccount.create is false: name the account in serviceAccount.name" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "servicegroup.gatewayServiceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- printf "%s-gateway" (include "servicegroup.serviceAccount" .) -}}
{{- else -}}
{{- .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "servicegroup.image" -}}
{{- with .Values.image -}}
{{- .repository -}}
{{- if or .tag (not .digest) -}}:{{ .tag | default $.Chart.AppVersion }}{{- end -}}
{{- if .digest -}}@{{ .digest }}{{- end -}}
{{- end -}}
{{- end -}}

{{- define "servicegroup.gateway" -}}
{{- printf "%s-gateway" (include "servicegroup.fullname" .) -}}
{{- end -}}

{{/* The name in the gateway's certificate. */}}
{{- define "servicegroup.serverName" -}}
{{- printf "%s.%s.svc" (include "servicegroup.gateway" .) .Release.Namespace -}}
{{- end -}}

{{/* The scheduling and the identity that all our pods share. */}}
{{- define "servicegroup.pod" -}}
enableServiceLinks: false
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
securityContext: {{- toYaml .Values.podSecurityContext | nindent 2 }}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Arguments of operator and gateway alike. */}}
{{- define "servicegroup.args" -}}
- --stores=/etc/servicegroup/config/stores.yaml
{{- with .Values.namespaces }}
- --namespaces={{ join "," . }}
{{- end }}
{{- if ne .Values.storeId "default" }}
- --store-id={{ .Values.storeId }}
{{- end }}
{{- end -}}

{{- define "servicegroup.tlsArgs" -}}
- --tls-cert=/etc/servicegroup/tls/gateway/tls.crt
- --tls-key=/etc/servicegroup/tls/gateway/tls.key
{{- end -}}

{{- define "servicegroup.anyAddress" -}}
{{- ternary "[::]" "0.0.0.0" .Values.ipv6 -}}
{{- end -}}

{{- define "servicegroup.gatewayProbe" -}}
httpGet: {path: /healthz, port: gateway, scheme: HTTPS}
{{- end -}}
