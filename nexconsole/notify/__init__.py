"""Who is told of an incident beyond the consoles: chats, pagers and mailboxes through Apprise, and this terminal.

Nothing here is imported by a console whose settings have no `[notify]`. Apprise itself runs in a helper process
(`worker`), so that neither its imports nor a hanging server ever delays a key.
"""
