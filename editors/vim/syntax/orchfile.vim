" Vim syntax file
" Language: Orchfile, of orch

if exists('b:current_syntax')
  finish
endif
let s:cpo_save = &cpo
set cpo&vim

" `key = value` with blanks on both sides is a setting wherever it is in a body: no command looks like this
let s:blocks = ['check', 'env', 'prompt', 'resume', 'run', 'send', 'setup', 'tasks']
let s:part = '\%([A-Za-z0-9._-]\|{{[^}]*}}\)'
let s:rest = '\s*\%("\%([^"\\]\|\\.\)*"\s*\)\=:\%(\s\|$\)'

syntax case match
" NAME... "title": dependencies | others; in a loop the name has the loop's variable in it
execute 'syntax match orchfileStream /^' . s:part . '\+\%(\s\+' . s:part . '\+\)*\ze' . s:rest . '/ contains=orchfileTemplate'
execute 'syntax match orchfileStream /^\s\+\zs[A-Za-z0-9._-]*{{[^}]*}}' . s:part . '*\ze' . s:rest . '/ contains=orchfileTemplate'
syntax match orchfileVariable /^\s*\zs[A-Za-z_][A-Za-z0-9_-]*\ze\s\+[?+!]\==\%(\s\|$\)/
syntax match orchfileVariable /^[A-Za-z_][A-Za-z0-9_-]*\ze\s*[?+!]\==/
syntax match orchfileSetting /^\s\+\zs[a-z][a-z-]*\ze\s\++\==\%(\s\|$\)/
execute 'syntax match orchfileBlock /^\s\+\zs\%(' . join(s:blocks, '\|') . '\)\ze:\%(\s\|$\)/'
syntax match orchfileBlock /^\s\+\zsevery\s\+\S\+\ze:\%(\s\|$\)/
syntax match orchfileKeyword /^\s*\zs\%(project\|defaults\)\ze:\%(\s\|$\)/
syntax match orchfileKeyword /^\s*\zs\%(agent\|recover\|runner\|on\)\ze\s\+[^=[:blank:]].*:\%(\s\|$\)/
syntax match orchfileKeyword /^\s*\zspool\ze\s\+\S\+\s*=/
syntax match orchfileKeyword /^\s*\zsinclude?\=\ze\s\+[^=[:blank:]]/
syntax match orchfileKeyword /^\s*\zsfor\ze\s\+[A-Za-z_][A-Za-z0-9_-]*\s\+in\s/
syntax match orchfileKeyword /\%(^\s*for\s\+[A-Za-z_][A-Za-z0-9_-]*\s\+\)\@<=in\ze\s/
syntax match orchfileString /"\%([^"\\]\|\\.\)*"/ contains=orchfileTemplate
syntax match orchfileString /'[^']*'/ contains=orchfileTemplate
syntax match orchfileTemplate /{{[^}]*}}/
syntax match orchfileComment /\%(^\|\s\)\zs#.*$/ contains=orchfileTodo
syntax keyword orchfileTodo TODO FIXME XXX contained

highlight default link orchfileStream Function
highlight default link orchfileVariable Identifier
highlight default link orchfileSetting Type
highlight default link orchfileBlock Statement
highlight default link orchfileKeyword Keyword
highlight default link orchfileString String
highlight default link orchfileTemplate PreProc
highlight default link orchfileComment Comment
highlight default link orchfileTodo Todo

let b:current_syntax = 'orchfile'
let &cpo = s:cpo_save
unlet s:cpo_save s:blocks s:part s:rest
