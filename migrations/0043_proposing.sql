-- A scope for whoever may propose changes of specs, and no more.

alter table ordinaut.api_token drop constraint api_token_scopes_check, add constraint api_token_scopes_check check (
    cardinality(scopes) > 0 and scopes <@ array['read', 'operate', 'approve', 'emit', 'propose', 'admin']);
alter table ordinaut.web_session drop constraint web_session_scopes_check, add constraint web_session_scopes_check check (
    cardinality(scopes) > 0 and scopes <@ array['read', 'operate', 'approve', 'emit', 'propose', 'admin']);
alter table ordinaut.sign_in_link drop constraint sign_in_link_scopes_check, add constraint sign_in_link_scopes_check check (
    cardinality(scopes) > 0 and scopes <@ array['read', 'operate', 'approve', 'emit', 'propose', 'admin']);
