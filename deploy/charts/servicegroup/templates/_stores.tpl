{{/* The operator's stores file, from `stores`; passwords stay in Secrets, which are mounted and named here by path. */}}
{{- define "servicegroup.stores" -}}
{{- $found := dict -}}
{{- range $name, $store := .Values.stores | default (dict "default" (dict "driver" "db")) -}}
{{- $one := pick $store "driver" "url" "servers" "tls" "maxBeatsPerSecond" -}}
{{- with $store.existingSecret -}}
{{- $_ := set $one "urlFile" (printf "/etc/servicegroup/stores/%s/%s" $name (.key | default "url")) -}}
{{- end -}}
{{- if and (eq $store.driver "db") (not (or $store.url $store.existingSecret)) -}}
{{- $file := ternary "servicegroup" $name (eq $name "default") -}}
{{- $_ := set $one "url" (printf "sqlite:////var/lib/servicegroup/%s.db" $file) -}}
{{- end -}}
{{- $_ := set $found $name $one -}}
{{- end -}}
{{- dict "stores" $found | toYaml -}}
{{- end -}}

{{/* "true" where the gateway has pods of its own: any number of them can serve a store that is a server. */}}
{{- define "servicegroup.separate" -}}
{{- $servers := not (empty .Values.stores) -}}
{{- range $store := .Values.stores -}}
{{- $url := $store.url | default "" -}}
{{- if not (or $store.existingSecret $store.servers (and $url (not (hasPrefix "sqlite" $url)) (not (hasPrefix "memory" $url)))) -}}
{{- $servers = false -}}
{{- end -}}
{{- end -}}
{{- $wanted := .Values.gateway.separate -}}
{{- if eq (toString $wanted) "auto" -}}{{- if $servers -}}true{{- end -}}
{{- else if $wanted -}}
{{- if not $servers -}}
{{- fail "gateway.separate is true, but one of the stores is no server: SQLite and the in-process store serve the operator's own pod alone; leave gateway.separate at auto, or give each store a url or an existingSecret of a server" -}}
{{- end -}}true
{{- end -}}
{{- end -}}

{{- define "servicegroup.storeMounts" -}}
- {name: config, mountPath: /etc/servicegroup/config, readOnly: true}
{{- range $name, $store := .Values.stores }}
{{- if $store.existingSecret }}
- {name: store-{{ $name }}, mountPath: /etc/servicegroup/stores/{{ $name }}, readOnly: true}
{{- end }}
{{- if $store.tlsSecret }}
- {name: tls-{{ $name }}, mountPath: /etc/servicegroup/tls/stores/{{ $name }}, readOnly: true}
{{- end }}
{{- end }}
{{- end -}}

{{- define "servicegroup.storeVolumes" -}}
- name: config
  configMap: {name: {{ include "servicegroup.fullname" . }}-stores}
{{- range $name, $store := .Values.stores }}
{{- with $store.existingSecret }}
- name: store-{{ $name }}
  secret: {secretName: {{ .name }}, optional: true} # missing, it is an error of its groups and no other's
{{- end }}
{{- with $store.tlsSecret }}
- name: tls-{{ $name }}
  secret: {secretName: {{ . }}, optional: true}
{{- end }}
{{- end }}
{{- end -}}
