"""What is a command? Rows of shell verbs and of the arguments that make a command of them.

Looks at the form only; it refuses to know which commands are allowed, and runs nothing.
"""

from __future__ import annotations

import re

from assistant.wording import is_plain

# what may follow a command, or stands after a verb that is only mentioned: "curl is", "pip itself"
LINKING = frozenset(
    "a an the is are was were be been has have had does did do may might must can could will would "
    "should gets got works worked fails failed belongs and or but to in into inside from on at as "
    "so if when while once then than that this which where because for with without before after "
    "goes refuses takes needs gives means shows tells finds reports "
    "again itself command commands alone not only cannot can't won't doesn't "
    "isn't also still there here you it they we your installs puts call prints says line "
    "version".split()
)
_SUBCOMMANDS = (
    r"install|i|add|get|download|update|upgrade|uninstall|remove|sync|run|exec|x|create|activate|"
    r"env|config|cache|wheel|tool|search|show|list|check|freeze|pip|-\S*"
)
_ARGUMENT = r"-\S+|[~$/.]\S*|\S+=\S*|\S+\.(?:py|sh|whl|ipynb|tar|gz|zip|exe)|\S*[*|&;]\S*"
# verbs, and the arguments that make a command of them ('' for anything but a linking word)
_COMMANDS = tuple(
    (re.compile(verbs), re.compile(arguments) if arguments else None)
    for verbs, arguments in (
        (
            r"pip[\d.]*|pipx|uvx?|(?:mini|micro)?conda|(?:micro)?mamba|poetry|pdm|rye|pixi|npm|npx|"
            r"pnpm|yarn|apt|apt-get|aptitude|yum|dnf|pacman|apk|brew|snap|gem|cargo|choco|winget|go",
            _SUBCOMMANDS,
        ),
        (
            r"curl|wget|aria2c|gdown|scp|rsync|ssh|sftp|nc|ncat|netcat|telnet|sudo|su|doas|bash|"
            r"zsh|sh|ksh|powershell|pwsh|chmod|chown|rm|rmdir|mv|cp|dd|mkfs\S*|pkill|killall|"
            r"systemctl|eval|exec|xargs|base64|openssl|crontab|nohup|sed|awk|mkdir|unzip|kubectl|"
            r"modprobe|insmod|iptables|ufw|useradd|passwd|easy_install|iwr|iex|invoke-\w+|certutil|"
            r"bitsadmin|start-process",
            "",
        ),
        (
            r"i?python[\d.]*|py|node|perl|ruby|php|lua|java|tar|cat|touch|tee|echo|mount|service|"
            r"env|source|export|alias|unset|make|cmake|docker|podman|git|jupyter|tmux|screen|"
            r"nvidia-smi|hf|huggingface-cli|torchrun|accelerate|deepspeed|yolo|cd|ls|ln|kill|fish",
            _ARGUMENT,
        ),
        (r"find", r"[~$/.*]\S*|-\S+"),
        (r"kill", r"\d+|%\d+"),
        (r"make", r"install|clean|all|run|test"),
        (r"nvidia-smi", r"topo|dmon|pmon|drain|mig"),
        (r"jupyter", r"kernelspec|server|labextension|nbextension"),
        (
            r"git",
            r"clone|pull|push|fetch|checkout|reset|config|lfs|submodule|init|commit|stash|clean",
        ),
        (
            r"docker|podman",
            r"run|exec|pull|push|build|compose|cp|login|load|rm|rmi|stop|start|restart|system",
        ),
        (r"hf|huggingface-cli", r"auth|download|login|upload|repo|cache"),
        (r"yolo", r"train|predict|detect|export|val|settings|\w+=\S*"),
        (r"reboot|shutdown|halt|poweroff|init", r"now|-\S+|\d"),
    )
)


def is_command(verb: str, argument: str) -> bool:
    """Is `verb`, followed by `argument`, the beginning of a command? Both in lower case."""
    if re.match(r"--?\w", argument) and verb[:1].isalpha() and not is_plain(verb):
        return True
    for verbs, arguments in _COMMANDS:
        if not verbs.fullmatch(verb):
            continue
        if arguments is None and argument not in LINKING:
            return True
        if arguments is not None and arguments.fullmatch(argument):
            return True
    return False
