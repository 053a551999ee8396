"""Scripts that make a shell complete the command's options, made from its parser."""

import argparse
from typing import Any

SHELLS = ("bash", "zsh", "fish")
_PROG = "dice-semimetric"
_BASH = """_{name}() {{
    local cur="${{COMP_WORDS[COMP_CWORD]}}" prev="${{COMP_WORDS[COMP_CWORD-1]}}" words=""
    if (( COMP_CWORD == 1 )); then
        words="{commands}"
    else
        case "${{COMP_WORDS[1]}} $prev" in
{values}
        esac
        if [[ -z $words && $cur == -* ]]; then
            case "${{COMP_WORDS[1]}}" in
{options}
            esac
        fi
    fi
    if [[ -n $words ]]; then
        COMPREPLY=($(compgen -W "$words" -- "$cur"))
    else
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
    fi
}}
complete -F _{name} {prog}
"""


def completion(parser: argparse.ArgumentParser, shell: str) -> str:
    """Return the script for a shell, to be run when it starts.

    Parameters
    ----------
    parser : argparse.ArgumentParser
        With subcommands.
    shell : {"bash", "zsh", "fish"}
        The shell.

    Returns
    -------
    str
        Its source.
    """
    commands = _commands(parser)
    if shell == "fish":
        return _fish(commands)
    script = _bash(commands)
    return f"autoload -U +X bashcompinit && bashcompinit\n{script}" if shell == "zsh" else script


def _commands(parser: argparse.ArgumentParser) -> dict[str, tuple[str, list[argparse.Action]]]:
    """Return the help and the options of each command."""
    (group,) = (a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    texts = {a.dest: a.help or "" for a in group._choices_actions}
    return {
        name: (texts.get(name, ""), [a for a in sub._actions if a.option_strings])
        for name, sub in group.choices.items()
    }


def _bash(commands: dict[str, tuple[str, list[argparse.Action]]]) -> str:
    options, values = [], []
    for name, (_, actions) in commands.items():
        flags = " ".join(flag for a in actions for flag in a.option_strings)
        options.append(f'                {name}) words="{flags}" ;;')
        for action in actions:
            chosen = " ".join(str(c) for c in action.choices or ())
            patterns = "|".join(f'"{name} {flag}"' for flag in action.option_strings)
            if chosen:
                values.append(f'            {patterns}) words="{chosen}" ;;')
    return _BASH.format(
        name=_PROG.replace("-", "_"),
        prog=_PROG,
        commands=" ".join(commands),
        options="\n".join(options),
        values="\n".join(values) or "            *) ;;",
    )


def _fish(commands: dict[str, tuple[str, list[argparse.Action]]]) -> str:
    lines = []
    for name, (text, actions) in commands.items():
        lines.append(
            f"complete -c {_PROG} -n __fish_use_subcommand -f -a {name} -d {_quoted(text)}"
        )
        lines += [_fish_option(name, action) for action in actions]
    return "\n".join(lines) + "\n"


def _fish_option(command: str, action: argparse.Action) -> str:
    words = [f"complete -c {_PROG} -n '__fish_seen_subcommand_from {command}'"]
    words += [
        f"-l {flag[2:]}" if flag.startswith("--") else f"-s {flag[1:]}"
        for flag in action.option_strings
    ]
    if action.choices:
        words.append(f"-x -a {_quoted(' '.join(str(c) for c in action.choices))}")
    elif action.nargs != 0:
        words.append("-r")
    helped: Any = action.help or ""
    return " ".join([*words, f"-d {_quoted(helped)}"])


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
