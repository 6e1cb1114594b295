# fish completion of orch. It asks the orch of the command line, so it fits every version: orch completion --help

function __orch_candidates
	set -l typed (commandline -opc)
	set -l current (commandline -ct)
	set -l reply ($typed[1] completion --candidates -- $typed[2..-1] "$current" 2>/dev/null)
	test (count $reply) -gt 0
	or return
	set -l kind $reply[1]
	set -l prefix (string replace -r '^[a-z]+ ?' '' -- $kind)
	set -l value (string sub -s (math 1 + (string length -- "$prefix")) -- "$current")
	switch $kind
		case 'files*'
			printf "$prefix%s\n" (__fish_complete_path "$value")
		case 'directories*'
			printf "$prefix%s\n" (__fish_complete_directories "$value" '')
		case words
			test (count $reply) -gt 1
			and printf '%s\n' $reply[2..-1]
	end
end

complete -c orch -f -a '(__orch_candidates)'
