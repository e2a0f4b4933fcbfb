-- What was booked, and who did what, is never changed: mistakes are answered by new rows (7, 8).

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% on % is refused: its rows are immutable', TG_OP, TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END
$$;

CREATE TRIGGER transfers_immutable BEFORE UPDATE OR DELETE ON transfers FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER transfers_kept BEFORE TRUNCATE ON transfers FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER grants_immutable BEFORE UPDATE OR DELETE ON grants FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER grants_kept BEFORE TRUNCATE ON grants FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER grabs_immutable BEFORE UPDATE OR DELETE ON grabs FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER grabs_kept BEFORE TRUNCATE ON grabs FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER audit_log_immutable BEFORE UPDATE OR DELETE ON audit_log FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER audit_log_kept BEFORE TRUNCATE ON audit_log FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
