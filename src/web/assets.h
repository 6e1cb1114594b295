/* The page, its script, style and icon, embedded by make. */
#ifndef WEB_ASSETS_H
#define WEB_ASSETS_H

#include <stddef.h>

extern const unsigned char asset_index_html[], asset_app_js[], asset_app_css[], asset_icon_svg[];
extern const size_t asset_index_html_len, asset_app_js_len, asset_app_css_len, asset_icon_svg_len;

#endif
