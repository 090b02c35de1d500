-- What there is to do, cheap enough to be asked every second.
select
    exists (
        select from row_state s join batch b on b.batch_id = s.batch_id and b.paused_at is null
        where s.state = 'ready' and s.due_at <= now()) as is_work,
    exists (
        select from row_state s join batch b on b.batch_id = s.batch_id
        where s.state in ('claimed', 'in_progress') and s.due_at <= now()) as is_overdue,
    exists (select from batch where finished_at is null and paused_at is null) as is_open
