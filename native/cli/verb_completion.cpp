#include "cli/output.hpp"
#include "cli/verbs.hpp"

namespace lightv::cli {

namespace {

// ":files" among the candidates: the shell completes file names itself.
constexpr const char* kBash = R"sh(# bash completion for lightv:  . <(lightv completion bash)
_lightv() {
  local cur words=("${COMP_WORDS[@]:1:COMP_CWORD}") line files=
  # bash cuts words at ':' and '='; put the one under the cursor together again, up to the blank before it.
  cur=${COMP_LINE:0:COMP_POINT}
  cur=${cur##*[[:space:]]}
  local joined=() word
  read -r -a joined <<<"${COMP_LINE:0:COMP_POINT}"
  words=("${joined[@]:1}")
  [[ ${COMP_LINE:0:COMP_POINT} == *[[:space:]] ]] && words+=("")
  local cut=${cur%"${cur##*[:=]}"}
  COMPREPLY=()
  while IFS= read -r line; do
    if [[ $line == :files ]]; then files=1; else COMPREPLY+=("${line#"$cut"}"); fi
  done < <("${COMP_WORDS[0]}" __complete -- "${words[@]}" 2>/dev/null)
  if [[ -n $files ]]; then
    compopt -o filenames 2>/dev/null
    while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -f -- "${cur##*[:=]}")
  fi
}
complete -F _lightv lightv
)sh";

constexpr const char* kZsh = R"sh(#compdef lightv
# zsh completion for lightv:  lightv completion zsh > "${fpath[1]}/_lightv"
_lightv() {
  local -a found rest
  found=("${(@f)$("${words[1]}" __complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)}")
  rest=("${(@)found:#(:files|)}")
  (( ${#rest} )) && compadd -a rest
  (( ${found[(Ie):files]} )) && _files
}
if [ "$funcstack[1]" = "_lightv" ]; then _lightv "$@"; else compdef _lightv lightv; fi
)sh";

constexpr const char* kFish = R"sh(# fish completion for lightv:  lightv completion fish | source
function __lightv_complete
    set -l words (commandline -opc) (commandline -ct)
    for line in ($words[1] __complete -- $words[2..-1] 2>/dev/null)
        if test "$line" = ":files"
            __fish_complete_path (commandline -ct)
        else
            echo $line
        end
    end
end
complete -c lightv -f -a "(__lightv_complete)"
)sh";

int runCompletion(const Engine& /*engine*/, const Parsed& parsed) {
  const std::string& shell = parsed.args[0];
  const char* script = shell == "bash" ? kBash : shell == "zsh" ? kZsh : shell == "fish" ? kFish : nullptr;
  if (script == nullptr)
    return fail(parsed, Error{"no completion for \"" + shell + "\": there are bash, zsh and fish"}, kEngineFailed);
  print(script);
  return 0;
}

}  // namespace

constinit const Verb kCompletion = {.name = "completion",
                                    .group = Group::other,
                                    .usage = "bash|zsh|fish",
                                    .summary = "Print a completion script for a shell",
                                    .minArgs = 1,
                                    .maxArgs = 1,
                                    .run = runCompletion};

}  // namespace lightv::cli
