" Bodies are indented by a tab, `orch fmt` does the rest, and :make shows what `orch check` finds.
if exists('b:did_ftplugin')
  finish
endif
let b:did_ftplugin = 1

setlocal commentstring=#\ %s comments=:# noexpandtab shiftwidth=0 softtabstop=0
setlocal formatprg=orch\ fmt\ -
setlocal makeprg=orch\ check\ -f\ %:S
setlocal errorformat=%f:%l:%c:\ %trror:\ %m,%f:%l:%c:\ %tarning:\ %m,%f:%l:%c:\ %tote:\ %m,%-G%.%#
let b:undo_ftplugin = 'setlocal commentstring< comments< expandtab< shiftwidth< softtabstop< formatprg< makeprg< errorformat<'
