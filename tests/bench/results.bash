# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2086,SC2154 # numbers, and what run sets
#
# Figures: made of what was measured, and printed.

# A line of results from the two series: medians, and the ratio with its spread over
# the rounds. KIND is process, packet or answer (nanoseconds, less is better), rate
# (nanoseconds for one, shown as so many a second), memory (KiB), or what is counted: elements or wakeups.
result() { # KIND FORWARDS WHAT BASELINE [TO REACH]
	local kind=$1 n=$2 what=$3 baseline=$4 reach=${5-}

	paste -d ' ' ours theirs > pairs
	awk -v OFS='\t' -v kind="$kind" -v n="$n" -v what="$what" -v baseline="$baseline" -v reach="$reach" '
		function median(values, count,    i, j, t) {
			for (i = 2; i <= count; i++)
				for (j = i; j > 1 && values[j - 1] > values[j]; j--) {
					t = values[j]
					values[j] = values[j - 1]
					values[j - 1] = t
				}
			return count % 2 ? values[(count + 1) / 2] : (values[count / 2] + values[count / 2 + 1]) / 2
		}
		{
			b = kind == "process" ? 4 : 2
			ours[NR] = $1
			theirs[NR] = $b
			ratios[NR] = kind == "rate" ? $b / $1 : $1 / $b
			if (kind == "process") {
				ours_kib = $2 > ours_kib ? $2 : ours_kib
				theirs_kib = $5 > theirs_kib ? $5 : theirs_kib
				cpu[NR] = $6 ? $3 / $6 : 0
			}
		}
		END {
			ratio = median(ratios, NR)
			split(reach, r, " ")
			met = reach == "" ? "" : (r[1] == "<=" ? ratio <= r[2] : ratio >= r[2]) ? "met" : "missed"
			print kind, n, what, baseline, NR, sprintf("%.0f", median(ours, NR)),
				sprintf("%.0f", median(theirs, NR)), sprintf("%.6g", ratio),
				sprintf("%.6g", ratios[1]), sprintf("%.6g", ratios[NR]),
				ours_kib + 0, theirs_kib + 0, reach, met,
				kind == "process" ? sprintf("%.6g", median(cpu, NR)) : ""
		}' pairs >> "$results"
	tail -n 1 "$results" | awk -F '\t' '{ printf "%9d  %s: %.3g %s\n", $2, $3, $8, $14 }' >&2
}

machine_facts() {
	printf 'kernel\t%s\n' "$(uname -sr)"
	printf 'architecture\t%s\n' "$(uname -m)"
	printf 'processor\t%s\n' "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)"
	printf 'processors\t%s\n' "$(nproc)"
	printf 'load\t%s\n' "$(cut -d ' ' -f 1 /proc/loadavg)"
	printf 'memory_mib\t%s\n' "$(awk '/^MemTotal/ { printf "%d", $2 / 1024 }' /proc/meminfo)"
	printf 'file_system\t%s\n' "$(df --output=fstype . | tail -n 1)"
	printf 'nft\t%s\n' "$(nft --version)"
	printf 'portfwd\t%s\n' "$("$PORTFWD" version)"
}

print_table() {
	awk -F '\t' '
		function time(ns) {
			if (ns >= 1e9)
				return sprintf("%.2f s", ns / 1e9)
			return ns >= 1e6 ? sprintf("%.1f ms", ns / 1e6) : sprintf("%.1f us", ns / 1e3)
		}
		function mib(kind, kib) {
			return kind == "process" ? sprintf("%.1f", kib / 1024) : ""
		}
		function value(kind, x) {
			if (kind == "rate")
				return sprintf("%.0f/s", 1e9 / x)
			if (kind == "memory")
				return sprintf("%.1f MiB", x / 1024)
			return kind ~ /^(elements|wakeups)$/ ? sprintf("%d", x) : time(x)
		}
		function ratio(x) {
			return !x ? "0" : x < 0.01 ? sprintf("%.0e", x) : x < 100 ? sprintf("%.2f", x) : sprintf("%.0f", x)
		}
		BEGIN { format = "%9s  %-36s %-18s %9s %9s %6s %11s %6s %6s %6s  %-8s %s\n" }
		FNR == NR {
			printf "%s%s: %s", (FNR > 1 ? ", " : ""), $1, $2
			next
		}
		FNR == 1 {
			print "\n"
			printf format, "forwards", "what", "baseline", "portfwd", "baseline", "ratio", "min-max", "cpu",
				"MiB", "base", "to reach", ""
		}
		{
			printf format, $2, $3, $4, value($1, $6), value($1, $7), ratio($8), ratio($9) "-" ratio($10),
				($15 == "" ? "" : ratio($15)), mib($1, $11), mib($1, $12), ($13 == "" ? "" : substr($13, 1, 3) ratio(substr($13, 4) + 0)), $14
		}' facts "$results"
}

print_json() {
	awk -F '\t' '
		function text(s) {
			gsub(/[\\"]/, "\\\\&", s)
			return "\"" s "\""
		}
		FNR == NR {
			printf "%s    %s: %s", (FNR > 1 ? ",\n" : "{\n  \"machine\": {\n"), text($1), text($2)
			next
		}
		FNR == 1 { print "\n  },\n  \"figures\": [" }
		{
			printf "%s    { \"forwards\": %s, \"what\": %s, \"baseline\": %s, \"kind\": %s, \"rounds\": %s,\n",
				(FNR > 1 ? ",\n" : ""), $2, text($3), text($4), text($1), $5
			unit = $1 ~ /^(elements|wakeups)$/ ? $1 : $1 == "memory" ? "kib" : "ns"
			printf "      \"portfwd_%s\": %s, \"baseline_%s\": %s, \"ratio\": %s, \"ratio_min\": %s, \"ratio_max\": %s,\n",
				unit, $6, unit, $7, $8, $9, $10
			if ($1 == "process")
				printf "      \"processor_time_ratio\": %s, \"portfwd_peak_kib\": %s, \"baseline_peak_kib\": %s,\n", $15, $11, $12
			printf "      \"to_reach\": %s, \"met\": %s }", $13 == "" ? "null" : text($13),
				$14 == "" ? "null" : $14 == "met" ? "true" : "false"
		}
		END { print "\n  ]\n}" }' facts "$results"
}
