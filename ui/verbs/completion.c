/* usher completion bash|zsh|fish: what each shell needs to ask usher itself for the words that fit; see
 * complete.h. Installed by `make install` where the shells look. */
#include "complete.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

/* bash parts words at ":", "=", "<" and ">" as well: it wants what stands behind the last of them. A word in
 * quotes is one, blanks and all. */
static const char bash_text[] =
        "# bash completion of usher(1): usher says what fits. Made by: usher completion bash\n"
        "_usher() {\n"
        "\tlocal line=\"${COMP_LINE:0:COMP_POINT}\" current=\"${COMP_WORDS[COMP_CWORD]}\" strip='' word "
        "help\n"
        "\tlocal -a words=()\n"
        "\tCOMPREPLY=()\n"
        "\tif [[ $current == [\\'\\\"]* ]]; then\n"
        "\t\tread -ra words <<<\"${line%\"$current\"}\"\n"
        "\t\twords+=(\"${current:1}\")\n"
        "\telse\n"
        "\t\tread -ra words <<<\"$line\"\n"
        "\t\t[[ $line == *[[:blank:]] ]] && words+=('')\n"
        "\t\tcurrent=\"${words[${#words[@]}-1]}\"\n"
        "\t\t[[ $current == *[:=\\<\\>]* ]] && strip=\"${current%\"${current##*[:=<>]}\"}\"\n"
        "\tfi\n"
        "\twhile IFS=$'\\t' read -r word help; do\n"
        "\t\tif [[ $word == @files ]]; then compopt -o default; return; fi\n"
        "\t\tCOMPREPLY+=(\"${word#\"$strip\"}\")\n"
        "\tdone < <(\"${words[0]/#\\~/$HOME}\" completion words -- \"${words[@]:1}\" 2>/dev/null)\n"
        "\t[[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *[:=\\<\\>] ]] && compopt -o nospace\n"
        "\treturn 0\n"
        "}\n"
        "complete -F _usher usher\n";

static const char zsh_text[] =
        "#compdef usher\n"
        "# zsh completion of usher(1): usher says what fits. Made by: usher completion zsh\n"
        "_usher() {\n"
        "\tlocal word help\n"
        "\tlocal -a ended ended_shown open open_shown\n"
        "\twhile IFS=$'\\t' read -r word help; do\n"
        "\t\tif [[ $word == @files ]]; then _files; return; fi\n"
        "\t\tif [[ $word == *[:=\\<\\>] ]]; then\n"
        "\t\t\topen+=(\"$word\"); open_shown+=(\"${(r:24:)word} $help\")\n"
        "\t\telse\n"
        "\t\t\tended+=(\"$word\"); ended_shown+=(\"${(r:24:)word} $help\")\n"
        "\t\tfi\n"
        "\tdone < <(${(Q)words[1]/#\\~/$HOME} completion words -- \"${(@Q)words[2,CURRENT-1]}\" "
        "\"${(Q)PREFIX}\" 2>/dev/null)\n"
        "\t(( $#ended )) && compadd -l -d ended_shown -a ended\n"
        "\t(( $#open )) && compadd -S '' -l -d open_shown -a open\n"
        "}\n"
        "if [[ $funcstack[1] == _usher ]]; then _usher \"$@\"; else compdef _usher usher; fi\n";

static const char fish_text[] =
        "# fish completion of usher(1): usher says what fits. Made by: usher completion fish\n"
        "function __usher_words\n"
        "\tset -l before (commandline -opc)\n"
        "\tset -l current (string replace -r '^[\\'\"]' '' -- (commandline -ct))\n"
        "\tset -l found ($before[1] completion words -- $before[2..] \"$current\" 2>/dev/null)\n"
        "\tif string match -q '@files*' -- $found\n"
        "\t\t__fish_complete_path \"$current\"\n"
        "\telse\n"
        "\t\tprintf '%s\\n' $found\n"
        "\tend\n"
        "end\n"
        "complete -c usher -f -a '(__usher_words)'\n";

static const struct {
	const char *shell, *text;
} scripts[] = { { "bash", bash_text }, { "zsh", zsh_text }, { "fish", fish_text } };

int verb_completion(struct verb_call *call)
{
	static const char *const shells[] = { "bash", "zsh", "fish", NULL };
	const char *shell = call->args[0];
	if (!strcmp(shell, "words")) { /* for the scripts alone */
		complete_print(call, call->args + 1, call->arg_count - 1);
		return EXIT_DONE;
	}
	if (call->arg_count > 1)
		return usage_error(call, _("completion takes one shell: bash, zsh or fish"));
	for (size_t i = 0; i < ARRAY_LEN(scripts); i++) {
		if (strcmp(scripts[i].shell, shell) != 0)
			continue;
		fputs(scripts[i].text, stdout);
		return EXIT_DONE;
	}
	return usage_none_of(call, shell, shells);
}
