{{/*
The container that is added to a pod. deploy/examples/sidecar.yaml says the same for clusters that cannot add it, and a
test holds them together. No probe: the main container starts whatever becomes of this one.
*/}}
{{- define "servicegroup.agent" -}}
name: servicegroup-agent
image: {{ include "servicegroup.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
command: [servicegroup, agent]
restartPolicy: Always
env: {cel: variables.env}
lifecycle:
  preStop:
    exec:
      command: [servicegroup, draining]
# A pod with resources of its own as a whole may have no room for ours beside its containers'.
resources: {cel: {{ printf "has(object.spec.resources) ? dyn({}) : dyn(%s)" (include "servicegroup.cel" .Values.injection.resources) | toJson }}}
securityContext: {{- toYaml .Values.injection.securityContext | nindent 2 }}
volumeMounts: {cel: variables.mounts}
{{- end -}}

{{- define "servicegroup.agentEnv" -}}
- name: SERVICEGROUP_GROUP
  valueFrom: {fieldRef: {apiVersion: v1, fieldPath: "metadata.labels['servicegroup.dev/group']"}}
- name: SERVICEGROUP_NAMESPACE
  valueFrom: {fieldRef: {apiVersion: v1, fieldPath: metadata.namespace}}
- name: SERVICEGROUP_MEMBER
  valueFrom: {fieldRef: {apiVersion: v1, fieldPath: spec.nodeName}}
- name: SERVICEGROUP_CHECK
  valueFrom: {fieldRef: {apiVersion: v1, fieldPath: "metadata.annotations['servicegroup.dev/check']"}}
{{- if ne .Values.storeId "default" }}
- {name: SERVICEGROUP_STORE_ID, value: {{ .Values.storeId | quote }}}
{{- end }}
{{- end -}}

{{- define "servicegroup.gatewayEnv" -}}
- name: SERVICEGROUP_STORE_URL
  value: {cel: variables.url}
- name: SERVICEGROUP_CA_PEM
  value: {{ include "servicegroup.ca" . | toJson }}
{{- end -}}

{{- define "servicegroup.injected" -}}
{{- if eq (toString .Values.injection.enabled) "auto" -}}
{{- if .Capabilities.APIVersions.Has "admissionregistration.k8s.io/v1/MutatingAdmissionPolicy" -}}true{{- end -}}
{{- else if .Values.injection.enabled -}}true
{{- end -}}
{{- end -}}
