/*
 * Tokens -> nodes, and nothing else: what they mean is eval's business. Each top-level statement is handed on as soon as it is whole.
 * A line that is wrong is passed over with all that is indented below it, so that one mistake is one error.
 */
%define api.pure full
%define api.prefix {orch_yy}
%define api.location.type {struct place}
%define parse.error custom
%locations
%expect 0
%param { struct parse *parse }

%code requires {
#include "lang/parse.h"
}

%code {
#include "config.h"

int scan_token(ORCH_YYSTYPE *value, ORCH_YYLTYPE *place, void *scanner);

static int orch_yylex(ORCH_YYSTYPE *value, ORCH_YYLTYPE *place, struct parse *parse)
{
	return scan_token(value, place, parse->scanner);
}

static void orch_yyerror(struct place *place, struct parse *parse, const char *message);

#define YYLLOC_DEFAULT(current, rhs, n) \
	((current) = (n) ? join(YYRHSLOC(rhs, 1), YYRHSLOC(rhs, n)) : (struct place){ YYRHSLOC(rhs, 0).offset, YYRHSLOC(rhs, 0).source, 0 })

static struct place join(struct place first, struct place last)
{
	uint32_t end = last.offset + last.length;
	uint32_t len = end > first.offset ? end - first.offset : 0;

	first.length = len > UINT16_MAX ? UINT16_MAX : (uint16_t)len;
	return first;
}

/* a statement from its first token to the end of `last` */
static struct ast *node(struct parse *parse, enum ast_kind kind, struct place first, struct span last)
{
	return ast_new(parse->arena, kind, first.offset, last.offset + last.len);
}
}

%union {
	struct span span;
	struct {
		struct span name;
		char op;
	} set;
	struct ast_words words;
	struct ast *node;
	struct ast_list list;
	struct {
		struct span span;
		struct ast_list list;
	} body;
	struct {
		struct span span;
		bool inline_text, empty;
	} text;
}

%token END 0 "the end of the file"
%token <span> NEWLINE "the end of the line"
%token INDENT "deeper lines"
%token DEDENT "less deep lines"
%token INCLUDE "'include'" INCLUDE_OPTIONAL "'include?'" FOR "'for'" IN "'in'" AGENT "'agent'" RECOVER "'recover'" RUNNER "'runner'" POOL "'pool'" ON "'on'"
%token <span> PROJECT "'project:'" DEFAULTS "'defaults:'"
%token <span> WORD "a word" STRING "a title in quotes" VALUE_TEXT "a value"
%token <span> COLON "':'"
%token BAR "'|'" EQUALS "'='"
%token <set> ASSIGN "an assignment" SET "a setting"
%token <span> KEY "a block" EVERY "'every'"
%token <span> REST "a text" BLOCK "an indented text" EMPTY "no text" SCRIPT "commands"
%token UNTERMINATED "an unterminated quote" UNKNOWN "an unexpected character"

%type <node> statement item
%type <words> words words_or_none order
%type <span> title
%type <list> statements items loop_body
%type <body> body
%type <text> text

%%

file:
	%empty
|	file statement {
		if ($2)
			parse->statement(parse->data, $2);
	}
;

statements:
	statement { $$ = (struct ast_list){ 0 }; ast_list_add(&$$, $1); }
|	statements statement { $$ = $1; ast_list_add(&$$, $2); }
;

statement:
	ASSIGN VALUE_TEXT NEWLINE {
		$$ = node(parse, AST_ASSIGN, @1, $2);
		$$->name = $1.name;
		$$->op = $1.op;
		$$->value = $2;
	}
|	INCLUDE words NEWLINE {
		$$ = node(parse, AST_INCLUDE, @1, $2.last->span);
		$$->names = $2;
	}
|	INCLUDE_OPTIONAL words NEWLINE {
		$$ = node(parse, AST_INCLUDE, @1, $2.last->span);
		$$->names = $2;
		$$->optional = true;
	}
|	PROJECT body {
		$$ = node(parse, AST_PROJECT, @1, $1);
		ast_set_children($$, $2.list);
	}
|	DEFAULTS body {
		$$ = node(parse, AST_DEFAULTS, @1, $1);
		ast_set_children($$, $2.list);
	}
|	AGENT WORD COLON body {
		$$ = node(parse, AST_AGENT, @1, $3);
		$$->name = $2;
		ast_set_children($$, $4.list);
	}
|	AGENT WORD COLON WORD COLON body {
		$$ = node(parse, AST_AGENT, @1, $5);
		$$->name = $2;
		$$->value = $4;
		ast_set_children($$, $6.list);
	}
|	RECOVER WORD COLON body {
		$$ = node(parse, AST_RECOVER, @1, $3);
		$$->name = $2;
		ast_set_children($$, $4.list);
	}
|	RUNNER WORD COLON body {
		$$ = node(parse, AST_RUNNER, @1, $3);
		$$->name = $2;
		ast_set_children($$, $4.list);
	}
|	POOL WORD EQUALS WORD NEWLINE {
		$$ = node(parse, AST_POOL, @1, $4);
		$$->name = $2;
		$$->value = $4;
	}
|	ON WORD COLON text {
		$$ = node(parse, AST_ON, @1, $4.span);
		$$->name = $2;
		$$->value = $4.span;
		$$->inline_text = $4.inline_text;
	}
|	FOR WORD IN words_or_none COLON loop_body {
		$$ = node(parse, AST_FOR, @1, $5);
		$$->name = $2;
		$$->names = $4;
		ast_set_children($$, $6);
	}
|	words title COLON words_or_none order body {
		$$ = node(parse, AST_STREAMS, @1, $6.span);
		$$->names = $1;
		$$->title = $2;
		$$->deps = $4;
		$$->order = $5;
		ast_set_children($$, $6.list);
	}
|	error NEWLINE { $$ = NULL; yyerrok; }
;

words:
	WORD { $$ = (struct ast_words){ 0 }; ast_words_add(&$$, ast_word_new(parse->arena, $1)); }
|	words WORD { $$ = $1; ast_words_add(&$$, ast_word_new(parse->arena, $2)); }
;

words_or_none:
	%empty { $$ = (struct ast_words){ 0 }; }
|	words
;

title:
	%empty { $$ = (struct span){ 0, 0 }; }
|	STRING
;

order:
	%empty { $$ = (struct ast_words){ 0 }; }
|	BAR words { $$ = $2; }
;

loop_body:
	NEWLINE { $$ = (struct ast_list){ 0 }; }
|	NEWLINE INDENT statements DEDENT { $$ = $3; }
;

body:
	NEWLINE { $$.span = $1; $$.list = (struct ast_list){ 0 }; }
|	NEWLINE INDENT items DEDENT { $$.span = $1; $$.list = $3; }
;

items:
	item { $$ = (struct ast_list){ 0 }; ast_list_add(&$$, $1); }
|	items item { $$ = $1; ast_list_add(&$$, $2); }
;

item:
	SET VALUE_TEXT NEWLINE {
		$$ = node(parse, AST_SETTING, @1, $2);
		$$->name = $1.name;
		$$->op = $1.op;
		$$->value = $2;
	}
|	KEY text {
		$$ = node(parse, AST_BLOCK, @1, $2.span);
		$$->name = $1;
		$$->value = $2.span;
		$$->inline_text = $2.inline_text;
	}
|	EVERY text {
		$$ = node(parse, AST_BLOCK, @1, $2.span);
		$$->name = (struct span){ $1.offset, 5 };
		$$->title = $1;
		$$->value = $2.span;
		$$->inline_text = $2.inline_text;
	}
|	SCRIPT {
		$$ = node(parse, AST_SCRIPT, @1, $1);
		$$->value = $1;
	}
|	error NEWLINE { $$ = NULL; yyerrok; }
;

text:
	REST NEWLINE { $$.span = $1; $$.inline_text = true; }
|	BLOCK { $$.span = $1; $$.inline_text = false; }
|	EMPTY { $$.span = $1; $$.inline_text = false; }
;

%%

static int yyreport_syntax_error(const yypcontext_t *context, struct parse *parse)
{
	enum { MAX = 8 };
	yysymbol_kind_t expected[MAX];
	const char *names[MAX];
	int count = yypcontext_expected_tokens(context, expected, MAX);
	yysymbol_kind_t found = yypcontext_token(context);

	for (int i = 0; i < count; i++)
		names[i] = yysymbol_name(expected[i]);
	parse_unexpected(parse, *yypcontext_location(context), yysymbol_name(found), names, count > 0 ? count : 0);
	return 0;
}

/* only for a parser stack that is full: nesting is limited by the indentation, so it never is */
static void orch_yyerror(struct place *place, struct parse *parse, const char *message)
{
	const char *const none[] = { NULL };

	parse_unexpected(parse, *place, message, none, 0);
}
