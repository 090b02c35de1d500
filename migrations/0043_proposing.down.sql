-- Whoever may only propose may nothing then.
delete from ordinaut.sign_in_link where scopes = array['propose'];
delete from ordinaut.web_session where scopes = array['propose'];
delete from ordinaut.api_token where scopes = array['propose'];
update ordinaut.sign_in_link set scopes = array_remove(scopes, 'propose');
update ordinaut.web_session set scopes = array_remove(scopes, 'propose');
update ordinaut.api_token set scopes = array_remove(scopes, 'propose');
alter table ordinaut.sign_in_link drop constraint sign_in_link_scopes_check, add constraint sign_in_link_scopes_check check (
    cardinality(scopes) > 0 and scopes <@ array['read', 'operate', 'approve', 'emit', 'admin']);
alter table ordinaut.web_session drop constraint web_session_scopes_check, add constraint web_session_scopes_check check (
    cardinality(scopes) > 0 and scopes <@ array['read', 'operate', 'approve', 'emit', 'admin']);
alter table ordinaut.api_token drop constraint api_token_scopes_check, add constraint api_token_scopes_check check (
    cardinality(scopes) > 0 and scopes <@ array['read', 'operate', 'approve', 'emit', 'admin']);
