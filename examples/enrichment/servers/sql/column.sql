(jsonb_path_query_first(d.document, {path}::jsonpath) #>> '{{}}')::{type} as {name}
