autocmd BufNewFile,BufRead Orchfile,Orchfile.*,*.orch setfiletype orchfile
