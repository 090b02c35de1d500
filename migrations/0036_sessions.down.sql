drop table ordinaut.sign_in_link;
drop table ordinaut.web_session;
