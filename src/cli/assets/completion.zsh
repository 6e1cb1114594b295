#compdef orch
# zsh completion of orch. It asks the orch of the command line, so it fits every version: orch completion --help

_orch() {
	local -a typed reply shown plain open
	local kind

	typed=("${(@Q)words[2,CURRENT-1]}" "${(Q)PREFIX}")
	reply=("${(@f)$(_call_program orch "${(@q)${(Q)words[1]}}" completion --candidates -- "${(@q)typed}" 2>/dev/null)}")
	kind=$reply[1]
	shift reply
	case $kind in
	(files*|directories*)
		compset -P "${(b)kind#* }"
		if [[ $kind == files* ]]; then
			_files
		else
			_files -/
		fi
		return
		;;
	esac
	(( $#reply )) || return 1
	plain=("${(@)reply%%$'\t'*}")
	# name -- what it is, in columns; what zformat has for the blank between them is a colon
	shown=()
	for kind in "${(@)reply}"; do
		shown+=("${${kind%%$'\t'*}//:/\\:}${${(M)kind%%$'\t'*}/#$'\t'/:}")
	done
	zformat -a shown ' -- ' "${(@)shown}"
	# those that something has to follow
	if [[ -n ${(M)plain:#*[=:]} ]]; then
		open=("${(@M)plain:#*[=:]}")
		compadd -Q -S '' -a open
		plain=("${(@)plain:#*[=:]}")
		shown=("${(@)shown:#*([=:]|[=:] *-- *)}")
	fi
	if [[ $#shown == $#plain && -n ${(M)reply:#*$'\t'*} ]]; then
		compadd -l -d shown -a plain
	else
		compadd -a plain
	fi
}

if [[ $funcstack[1] == _orch ]]; then
	_orch "$@"
else
	compdef _orch orch
fi
