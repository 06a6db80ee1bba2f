{{/*
A value as an expression of CEL: what is written as YAML here is what a pod gets. A map {cel: EXPRESSION} stands for an
expression of its own. Each value is `dyn`, since the lists and maps of CEL hold one type only.
*/}}
{{- define "servicegroup.cel" -}}
{{- if kindIs "map" . -}}
{{- if hasKey . "cel" -}}
{{- .cel -}}
{{- else -}}
{{- $parts := list -}}
{{- range $key, $value := . -}}{{- $parts = append $parts (printf "%s: dyn(%s)" (toJson $key) (include "servicegroup.cel" $value)) -}}{{- end -}}
{ {{- join ", " $parts -}} }
{{- end -}}
{{- else if kindIs "slice" . -}}
{{- $parts := list -}}
{{- range . -}}{{- $parts = append $parts (printf "dyn(%s)" (include "servicegroup.cel" .)) -}}{{- end -}}
[ {{- join ", " $parts -}} ]
{{- else -}}
{{- toJson . -}}
{{- end -}}
{{- end -}}
