/** Each asks `mesh __complete` for candidates and leaves paths to the shell. */

const BASH = `# bash completion of mesh
_mesh() {
  local line cur="\${COMP_WORDS[COMP_CWORD]}" words=("\${COMP_WORDS[@]:1:COMP_CWORD}")
  COMPREPLY=()
  # readline splits at "=": put --option=value together again
  if [[ $cur == "=" ]]; then words=("\${COMP_WORDS[@]:1:COMP_CWORD-2}" "\${COMP_WORDS[COMP_CWORD-1]}="); cur=""
  elif [[ \${COMP_WORDS[COMP_CWORD-1]} == "=" ]]; then
    words=("\${COMP_WORDS[@]:1:COMP_CWORD-3}" "\${COMP_WORDS[COMP_CWORD-2]}=$cur")
  fi
  while IFS= read -r line; do
    case $line in
      :file) COMPREPLY+=($(compgen -f -- "$cur")); compopt -o filenames 2>/dev/null ;;
      :folder) COMPREPLY+=($(compgen -d -- "$cur")); compopt -o filenames 2>/dev/null ;;
      *) line=\${line%%$'\\t'*}; [[ $line == --*=* ]] && line=\${line#*=}; COMPREPLY+=("$line") ;;
    esac
  done < <("\${COMP_WORDS[0]}" __complete "\${words[@]}" 2>/dev/null)
}
complete -F _mesh mesh
`;

const ZSH = `#compdef mesh
# zsh completion of mesh
_mesh() {
  local line
  local -a found
  while IFS= read -r line; do
    case $line in
      :file) _files ;;
      :folder) _files -/ ;;
      *$'\\t'*) found+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}") ;;
      *) found+=("\${line//:/\\\\:}") ;;
    esac
  done < <("\${words[1]}" __complete "\${(@)words[2,CURRENT]}" 2>/dev/null)
  (( \${#found} )) && _describe mesh found
}
if [ "\${funcstack[1]}" = "_mesh" ]; then _mesh "$@"; else compdef _mesh mesh; fi
`;

const FISH = `# fish completion of mesh
function __mesh_complete
  set -l words (commandline -opc) (commandline -ct)
  for line in ($words[1] __complete $words[2..-1] 2>/dev/null)
    switch $line
      case ':file'
        __fish_complete_path (commandline -ct)
      case ':folder'
        __fish_complete_directories (commandline -ct)
      case '*'
        echo $line
    end
  end
end
complete -c mesh -f -a '(__mesh_complete)'
`;

export const COMPLETION_SCRIPTS: Readonly<Record<string, string>> = { bash: BASH, zsh: ZSH, fish: FISH };
