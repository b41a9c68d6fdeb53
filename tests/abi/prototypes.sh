# Sourced by the checks: names of the functions that headers mark with IOD_API.

# prototypes HEADER... -- one name per line, sorted
prototypes() {
	cat -- "$@" | tr '\n' '\001' |
		sed -e 's|/\*[^*]*\*\+\([^/*][^*]*\*\+\)*/||g' | tr '\001' '\n' |
		sed -e 's|//.*||' | awk '/^[ \t]*#/ { go = 1 } go { go = /\\$/; next } { print }' |
		tr '\n' ' ' | grep -oE 'IOD_API[^;{]*' |
		sed -nE 's/^IOD_API[^(]*[^a-z0-9_(](iod_[a-z0-9_]+)[ \t]*\(.*/\1/p' | sort
}
