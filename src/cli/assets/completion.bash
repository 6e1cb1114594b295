# bash completion of orch. It asks the orch of the command line, so it fits every version: orch completion --help

_orch() {
	local line=$COMP_LINE rest word kind prefix value i
	local -a words=() candidates=()

	# bash has split words at = and :, which are nothing special here
	for ((i = 0; i <= COMP_CWORD; i++)); do
		word=${COMP_WORDS[i]}
		rest=${line#"${line%%[![:space:]]*}"}
		if ((i > 0)) && [[ $rest == "$line" ]]; then
			words[${#words[@]} - 1]+=$word
		else
			words+=("$word")
		fi
		line=${rest#"$word"}
	done
	word=${words[${#words[@]} - 1]}
	{ IFS= read -r kind && mapfile -t candidates; } < <("${words[0]/#\~\//$HOME/}" completion --candidates -- "${words[@]:1}" 2>/dev/null)
	case $kind in
	files\ * | directories\ *)
		value=${word#"${kind#* }"}
		compopt -o filenames
		if [[ $kind == files* ]]; then
			mapfile -t COMPREPLY < <(compgen -f -- "$value")
		else
			mapfile -t COMPREPLY < <(compgen -d -- "$value")
		fi
		# what is behind = or : is a word of its own for bash; a value behind a letter is not
		[[ $kind == *[=:\ ] ]] || COMPREPLY=("${COMPREPLY[@]/#/${kind#* }}")
		return
		;;
	esac
	candidates=("${candidates[@]%%$'\t'*}")
	for i in : =; do
		if [[ $COMP_WORDBREAKS == *"$i"* && $word == *"$i"* ]]; then
			value=${word##*"$i"}
			prefix=${word%"$value"}
			candidates=("${candidates[@]#"$prefix"}")
			word=$value
		fi
	done
	COMPREPLY=("${candidates[@]}")
	[[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *[=:] ]] && compopt -o nospace
	return 0
}

complete -F _orch orch
