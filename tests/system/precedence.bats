#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Which of several forwards takes a connection: a table, each row sent as a packet.
#
# Backends: nftables iptables

load helpers
load language

# A row: what stands (names below, or words of the manual: forwards as "NAME LISTEN
# [OPTIONS]"), then from where, protocol, address and port, and whom it must reach.
# Every target is a server that says the name of its forward; "own" is a service of
# the gateway itself on the port that the client used; "none": nobody answers.
#
# The forwards: NAME is the target's name, too. Ports of listen parts are 8000-8010.
rows() {
	cat <<-TABLE
		any                                   | client tcp $WAN4 8001  | any
		any                                   | client tcp $LAN4 8001  | any
		any                                   | second tcp $WAN4 8001  | any
		any                                   | gw     tcp $WAN4 8001  | any
		any                                   | gw     tcp 127.0.0.1 8001 | own
		any                                   | client udp $WAN4 8001  | own
		any                                   | client tcp $OTHER4 8001 | none
		any                                   | client tcp $WAN4 8002  | own
		any if                                | client tcp $WAN4 8001  | if
		any if                                | client tcp $LAN4 8001  | if
		any if                                | second tcp $WAN4 8001  | any
		any if                                | gw     tcp $WAN4 8001  | any
		any if                                | client tcp $OTHER4 8001 | none
		if                                    | gw     tcp $WAN4 8001  | own
		any if addr                           | client tcp $WAN4 8001  | addr
		any if addr                           | client tcp $LAN4 8001  | if
		any if addr                           | gw     tcp $WAN4 8001  | addr
		any if addr                           | second tcp $LAN4 8001  | any
		any if addr both                      | client tcp $WAN4 8001  | both
		any if addr both                      | second tcp $WAN4 8001  | addr
		any if addr both                      | gw     tcp $WAN4 8001  | addr
		addr other                            | client tcp $OTHER4 8001 | other
		addr other                            | client tcp $WAN4 8001  | addr
		any rany                              | client tcp $WAN4 8001  | any
		any rany                              | client tcp $WAN4 8002  | rany
		any rany raddr rif rboth              | client tcp $WAN4 8001  | any
		any rany raddr rif rboth              | client tcp $WAN4 8002  | rboth
		rany raddr rif                        | client tcp $WAN4 8001  | raddr
		rany raddr rif                        | client tcp $LAN4 8001  | rif
		rany raddr rif                        | second tcp $LAN4 8001  | rany
		if rboth                              | client tcp $WAN4 8001  | if
		if rboth                              | second tcp $WAN4 8001  | own
		if raddr                              | gw     tcp $WAN4 8001  | raddr
		any6                                  | client tcp $WAN6 8001  | any6
		any any6                              | client tcp $WAN4 8001  | any
		any6                                  | client tcp $WAN4 8001  | own
		any6 if6                              | client tcp $WAN6 8001  | if6
		any6 if6                              | second tcp $LAN6 8001  | any6
		any6 if6 addr6                        | client tcp $WAN6 8001  | addr6
		any6 if6 addr6                        | client tcp $LAN6 8001  | if6
		any6 if6 addr6 both6                  | client tcp $WAN6 8001  | both6
		any6 if6 addr6 both6                  | gw     tcp $WAN6 8001  | addr6
		any6 rany6 raddr6                     | client tcp $WAN6 8001  | any6
		rany6 raddr6                          | client tcp $WAN6 8001  | raddr6
		rany6 raddr6                          | client tcp $LAN6 8001  | rany6
		addr6 other6                          | client tcp $OTHER6 8001 | other6
		any addrfew                           | client tcp $WAN4 8001  | any
		any addrfew                           | second tcp $WAN4 8001  | addrfew
		addrfew                               | client tcp $WAN4 8001  | own
		any6 addrfew6                         | client tcp $WAN6 8001  | any6
		any6 addrfew6                         | second tcp $WAN6 8001  | addrfew6
		few                                   | client tcp $WAN4 8001  | own
		any few                               | second tcp $WAN4 8001  | few
		any few                               | client tcp $WAN4 8001  | any
		any few                               | gw     tcp $WAN4 8001  | any
		rany fewother                         | client tcp $WAN4 8001  | rany
		rany fewother                         | second tcp $WAN4 8001  | few
		rany rfew                             | second tcp $WAN4 8003  | rfew
		rany rfew                             | client tcp $WAN4 8003  | rany
		raddr anyfew                          | second tcp $WAN4 8001  | few
		raddr anyfew                          | client tcp $WAN4 8001  | raddr
		any addrfar                           | gw     tcp $WAN4 8001  | any
		any addrfar                           | client tcp $WAN4 8001  | addrfar
		rany anyfar                           | gw     tcp $WAN4 8001  | rany
		rany anyfar                           | client tcp $WAN4 8001  | anyfar
		rany self                             | client tcp $WAN4 8001  | own8009
		rany self                             | client tcp $WAN4 8002  | rany
		rself addr                            | client tcp $WAN4 8001  | addr
		rself addr                            | client tcp $WAN4 8002  | own8009
		rself addr                            | gw     tcp $LAN4 8001  | own8009
		udp any                               | client udp $WAN4 8001  | udp
		udp any                               | client tcp $WAN4 8001  | any
		udp rany                              | client udp $WAN4 8002  | own
	TABLE
}

# NAME: LISTEN [OPTIONS]; what is behind the first word of OPTIONS changes the name of the target.
forward_of() { # NAME: sets $listen and $options, and $to
	to=$1 options=()
	case $1 in
	any) listen=8001 ;;
	if) listen=8001 options=(--interface wan0) ;;
	addr) listen=$WAN4:8001 ;;
	both) listen=$WAN4:8001 options=(--interface wan0) ;;
	other) listen=$OTHER4:8001 ;;
	rany) listen=8000-8006 ;;
	rif) listen=8000-8006 options=(--interface wan0) ;;
	raddr) listen=$WAN4:8000-8006 ;;
	rboth) listen=$WAN4:8000-8006 options=(--interface wan0) ;;
	any6) listen=8001 ;;
	if6) listen=8001 options=(--interface wan0) ;;
	addr6) listen="[$WAN6]:8001" ;;
	both6) listen="[$WAN6]:8001" options=(--interface wan0) ;;
	other6) listen="[$OTHER6]:8001" ;;
	rany6) listen=8000-8006 ;;
	raddr6) listen="[$WAN6]:8000-8006" ;;
	addrfew) listen=$WAN4:8001 options=(--source "$SECOND4") ;;
	addrfew6) listen="[$WAN6]:8001" options=(--source "${SECOND6%3}2/127") ;;
	few | anyfew | fewother) listen=8001 to=few options=(--source "${SECOND4%3}2/31") ;;
	rfew) listen=$WAN4:8000-8006 options=(--source "10.0.0.0/24") ;;
	addrfar) listen=$WAN4:8001 options=(--no-local) ;;
	anyfar) listen=8001 options=(--no-local) ;;
	self) listen=8001 to=self:8009 ;;
	rself) listen=8000-8006 to=self:8009 ;;
	udp) listen=8001/udp ;;
	esac
}

@test "each row of the table reaches whom it must" {
	local OTHER4=203.0.113.7 OTHER6=2001:db8:77::7 servers=() name at=0 rule
	local forwards from proto address port expected listen options to answer row=0 bad=0
	declare -A port_of

	ip -n client route add "$OTHER4" via "$WAN4"
	ip -n client -6 route add "$OTHER6" via "$WAN6"
	ip -n gw route add blackhole "$OTHER4"
	ip -n gw -6 route add blackhole "$OTHER6"
	for name in any if addr both other rany rif raddr rboth addrfew few rfew addrfar anyfar udp \
		any6 if6 addr6 both6 other6 rany6 raddr6 addrfew6; do
		port_of[$name]=$((9000 + at++))
		case $name in
		*6) servers+=("$name" tcp "$SERVER6" "${port_of[$name]}") ;;
		udp) servers+=("$name" udp "$SERVER4" "${port_of[$name]}") ;;
		*) servers+=("$name" tcp "$SERVER4" "${port_of[$name]}") ;;
		esac
	done
	peer_serve server "${servers[@]}"
	peer_serve gw own tcp 0.0.0.0 8000-8006 own udp 0.0.0.0 8000-8006 own8009 tcp 0.0.0.0 8009 \
		own tcp :: 8000-8006
	while IFS='|' read -r forwards rule expected; do
		row=$((row + 1))
		read -r from proto address port <<< "$rule"
		expected=${expected// /}
		settled
		echo '{}' > "$CONFIG"
		pfw -q reload
		for name in $forwards; do
			forward_of "$name"
			case $to in
			self:*) ;;
			*6) to="[$SERVER6]:${port_of[$to]}" ;;
			*) to=$SERVER4:${port_of[$to]} ;;
			esac
			pfw -q add "$name" "$listen" "$to" "${options[@]}"
		done
		if [ "$expected" = none ]; then
			answer=$(peer_ask "$from" <<< "try $proto $address $port")
		else
			answer=$(peer_ask "$from" <<< "ask $proto $address $port")
		fi
		if [ "${answer%% *}" != "$expected" ]; then
			echo "row $row, $forwards: $rule: expected $expected, got: $answer" >&2
			bad=$((bad + 1))
		fi
		in_sync || bad=$((bad + 1))
	done < <(rows)
	[ "$row" -ge 30 ]
	equal 0 "$bad" "wrong rows"
}
