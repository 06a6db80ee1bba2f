{{- define "servicegroup.tlsSecret" -}}
{{- .Values.gateway.tls.existingSecret | default (printf "%s-tls" (include "servicegroup.gateway" .)) -}}
{{- end -}}

{{- define "servicegroup.tlsMount" -}}
- {name: gateway-tls, mountPath: /etc/servicegroup/tls/gateway, readOnly: true}
{{- end -}}

{{- define "servicegroup.tlsVolume" -}}
- name: gateway-tls
  secret:
    secretName: {{ include "servicegroup.tlsSecret" . }}
{{- end -}}

{{/*
The certificate that the chart makes, as {ca, cert, key}: made once, since the Secret, the policy and the test must agree
on it in one rendering, and kept over upgrades. The authority's key is not kept: nobody signs with it again.
*/}}
{{- define "servicegroup.generated" -}}
{{- if not (hasKey .Values.gateway.tls "generated") -}}
{{- $name := include "servicegroup.tlsSecret" . -}}
{{- $kept := (lookup "v1" "Secret" .Release.Namespace $name).data | default dict -}}
{{- $made := dict -}}
{{- if and (index $kept "ca.crt") (index $kept "tls.crt") (index $kept "tls.key") -}}
{{- $made = dict "ca" (index $kept "ca.crt" | b64dec) "cert" (index $kept "tls.crt" | b64dec) "key" (index $kept "tls.key" | b64dec) -}}
{{- else -}}
{{- $authority := genCA "servicegroup" 3650 -}}
{{- $leaf := genSignedCert "servicegroup-gateway" nil (list (include "servicegroup.serverName" .)) 3650 $authority -}}
{{- $made = dict "ca" $authority.Cert "cert" $leaf.Cert "key" $leaf.Key -}}
{{- end -}}
{{- $_ := set .Values.gateway.tls "generated" $made -}}
{{- end -}}
{{- toYaml .Values.gateway.tls.generated -}}
{{- end -}}

{{/* The authority that agents trust, as PEM. */}}
{{- define "servicegroup.ca" -}}
{{- $tls := .Values.gateway.tls -}}
{{- if $tls.ca -}}
{{- $tls.ca -}}
{{- else if or $tls.existingSecret $tls.certManager.issuerRef -}}
{{- fail "gateway.tls.existingSecret and gateway.tls.certManager need gateway.tls.ca: the PEM of the authority that signs the gateway's certificate, which agents are given" -}}
{{- else -}}
{{- (include "servicegroup.generated" . | fromYaml).ca -}}
{{- end -}}
{{- end -}}
