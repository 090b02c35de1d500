insert into raw_row (upload_id, line, data)
select %(upload_id)s, e.line, e.data
from jsonb_array_elements(%(rows)s::jsonb) with ordinality as e(data, line)
